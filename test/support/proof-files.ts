import type { ProofFile } from '../../protocol/proof-file.ts'
import { utf8 } from '../../src/kernel/base/bytes.ts'
import { canonicalJson } from '../../src/kernel/base/canonical-json.ts'
import { systemClock } from '../../src/kernel/base/clock.ts'
import { openKeyDirectory } from '../../src/kernel/identity/key-directory.ts'
import { MerkleLog } from '../../src/kernel/log/merkle-log.ts'
import { GoalLogs } from '../../src/node/flows/goal-logs.ts'
import type { ReadableLog } from '../../src/node/flows/log-reader.ts'
import { temporaryStore } from '../kernel/log/logs.ts'

/** A node's log of the goal `fast` with these leaves, as the node serves it, and the log itself. */
export async function goalLog(
  t: { after(end: () => Promise<void>): void },
  network: string,
  leaves: readonly object[],
): Promise<{
  log: ReadableLog
  merkle: MerkleLog
  providerId: string
  append(leaf: object): Promise<void>
}> {
  const { store, directory } = await temporaryStore(t)
  const keys = openKeyDirectory(`${directory}.keys`, { network, allowCreate: true, clock: systemClock })
  const merkle = new MerkleLog(store, 'goal/fast')
  const append = async (leaf: object): Promise<void> => {
    await store.transact((tx) => merkle.append(tx, utf8(canonicalJson(leaf))))
  }
  for (const leaf of leaves) await append(leaf)
  const parts = { keys, config: { network: { name: network } } } as ConstructorParameters<typeof GoalLogs>[0]
  const logs = new GoalLogs(parts, {
    epochs: { newest: 1 },
    cosignatures: { of: () => [] },
    tree: () => merkle,
    digestOf: (goalId) => goalId,
  })
  return { log: logs.of('fast'), merkle, providerId: keys.providerId, append }
}

/** The file's text. */
export const textOf = (file: ProofFile): string => JSON.stringify(file)
