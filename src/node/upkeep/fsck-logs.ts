import { administrativeLeaves } from '../../domain/access/administration.ts'
import { loggedRegistrations } from '../../domain/cells/cell-log.ts'
import { equalBytes } from '../../kernel/base/bytes.ts'
import { errorMessage } from '../../kernel/base/errors.ts'
import { MerkleLog } from '../../kernel/log/merkle-log.ts'
import { bagPeaks, leafHash } from '../../kernel/log/tree.ts'
import { nativeNodeHash } from '../../kernel/log/tree-hashes.ts'
import type { CheckedData, Looked } from './fsck.ts'

/** Leaves that are hashed before others get their turn. */
const LEAVES_PER_TURN = 2000

/** Every log from its first leaf to its last: the tree over them must be the one that the log's hashes say. */
export async function* checkLogRecords({ store }: CheckedData): AsyncGenerator<Looked> {
  for (const name of await MerkleLog.names(store)) {
    const log = new MerkleLog(store, name)
    const subject = name === '' ? 'the log of this node' : `the log ${name}`
    try {
      log.check()
      const { size } = log
      const tree = new GrowingTree()
      for (let index = 0; index < size; index++) {
        const leaf = log.leaf(index)
        if (leaf === undefined) throw new Error(`the record of its leaf ${index} is missing`)
        tree.add(leafHash(leaf))
        yield { subject }
        if (index % LEAVES_PER_TURN === 0) await new Promise((resolve) => setImmediate(resolve))
      }
      if (!equalBytes(tree.root(), log.root(size))) throw new Error('its leaves do not make up the root that it keeps')
    } catch (error) {
      yield { subject, problem: errorMessage(error) }
    }
  }
  const own = new MerkleLog(store, '')
  for await (const { index, holds } of administrativeLeaves(store, own)) {
    if (!holds)
      yield { subject: `leaf ${index}`, problem: 'it does not commit to the administrative act that is kept of it' }
  }
  for await (const { id, holds } of loggedRegistrations(store, own)) {
    if (!holds) yield { subject: `cell ${id}`, problem: 'the log has no leaf that says that it was registered' }
  }
}

/** The peaks of a tree of RFC 9162 that grows leaf by leaf, the smallest last. */
class GrowingTree {
  readonly #peaks: { readonly hash: Uint8Array; readonly height: number }[] = []

  add(hash: Uint8Array): void {
    let peak = { hash, height: 0 }
    for (let last = this.#peaks.at(-1); last?.height === peak.height; last = this.#peaks.at(-1)) {
      this.#peaks.pop()
      peak = { hash: nativeNodeHash(last.hash, peak.hash), height: peak.height + 1 }
    }
    this.#peaks.push(peak)
  }

  root(): Uint8Array {
    return bagPeaks(
      this.#peaks.map(({ hash }) => hash),
      nativeNodeHash,
    )
  }
}
