import type { TestContext } from 'node:test'
import type { CheckpointRecord } from '../../protocol/transparency.ts'
import { toHex, utf8 } from '../../src/kernel/base/bytes.ts'
import { ed25519FromSeed, newSeed } from '../../src/kernel/identity/keys.ts'
import { issueRoleCertificate } from '../../src/kernel/identity/role-certificate.ts'
import { logOrigin, signCheckpoint } from '../../src/kernel/log/checkpoint.ts'
import { logRecordText } from '../../src/kernel/log/log-record.ts'
import { naiveConsistency, naiveLeaf, naiveRoot } from '../kernel/log/naive-tree.ts'
import { newIdentity, startNode, type TestHandlers } from '../network/nodes.ts'
import { NETWORK } from './cells.ts'

const DAY_MS = 24 * 3600 * 1000

/** One history of a log: its first `shared` leaves are the same in all, the others are called by its name. */
export interface History {
  root(size: number): Uint8Array
  /** The signed note. */
  checkpoint(size: number): string
  proof(from: number, to: number): string[]
  /** What the log's node says of itself. */
  record(size: number, from?: number): CheckpointRecord
}

/** A node with a log key that signs whatever a test wants. */
export function scriptedLog(network: string = NETWORK) {
  const node = newIdentity(network)
  const { providerId } = node
  const key = ed25519FromSeed(newSeed())
  const certificate = issueRoleCertificate({
    identity: node.identity,
    network,
    role: 'log',
    publicKey: key.publicKey,
    serial: 1,
    notBefore: Date.now() - DAY_MS,
    notAfter: Date.now() + DAY_MS,
  })
  const history = (name: string, shared = 0, epoch = 1, goal?: string): History => {
    const leaves = (size: number) =>
      Array.from({ length: size }, (_, i) => naiveLeaf(utf8(i < shared ? `leaf ${i}` : `${name} ${i}`)))
    const root = (size: number) => naiveRoot(leaves(size))
    const checkpoint = (size: number) =>
      signCheckpoint({ origin: logOrigin(providerId, goal, epoch), size, root: root(size) }, key)
    const proof = (from: number, to: number) =>
      from === 0 || from === to ? [] : naiveConsistency(from, leaves(to)).map(toHex)
    const record = (size: number, from?: number): CheckpointRecord => ({
      type: 'checkpoint',
      provider_id: providerId,
      certificate,
      checkpoint: checkpoint(size),
      ...(from === undefined ? {} : { consistency: { from, hashes: proof(from, size) } }),
    })
    return { root, checkpoint, proof, record }
  }
  return { node, providerId, key, certificate, history }
}

export type ScriptedLog = ReturnType<typeof scriptedLog>

/** The scripted log's node on the network. `tell` is what it says of logs to each peer that asks. */
export async function scriptedLogPeer(
  t: TestContext,
  log: ScriptedLog,
  options: {
    readonly seeds?: readonly string[]
    readonly tell?: (peer: string) => readonly Parameters<typeof logRecordText>[0][]
    readonly handlers?: TestHandlers
  } = {},
) {
  const { tell = () => [], handlers = {} } = options
  return startNode(t, {
    identity: log.node,
    networkName: NETWORK,
    ...(options.seeds === undefined ? {} : { seeds: options.seeds }),
    handlers: {
      ...handlers,
      answers: { log_records_request: (_, from) => ({ records: tell(from).map(logRecordText) }), ...handlers.answers },
    },
  })
}
