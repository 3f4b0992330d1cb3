import type { Acceptance } from '../../../protocol/rpc.ts'
import { sha256 } from '../../kernel/base/hash.ts'
import type { RecordSet } from './record-set.ts'
import { Turns } from './turns.ts'

/** Records that are taken in at once, and their characters: they are verified in one go, some milliseconds, and share a write, which costs as much. */
const AT_ONCE = 64
const CHARACTERS_AT_ONCE = 64 * 1024

/** What became of records, in their order. Stops soon after one that is rejected, which is then the last. */
export async function acceptAll(set: RecordSet, texts: readonly string[], from: string): Promise<Acceptance[]> {
  const results: Acceptance[] = []
  const turns = new Turns()
  while (results.length < texts.length) {
    const some = firstOf(texts.slice(results.length, results.length + AT_ONCE))
    results.push(...(await Promise.all(some.map((text) => acceptOne(set, text, from)))))
    const refused = results.indexOf('rejected')
    if (refused !== -1) return results.slice(0, refused + 1)
    await turns.next()
  }
  return results
}

const acceptOne = async (set: RecordSet, text: string, from: string): Promise<Acceptance> =>
  set.ids.has(sha256(text)) ? 'ignored' : set.accept(text, from)

/** As many as have few characters together, at least one. */
function firstOf(texts: readonly string[]): readonly string[] {
  let end = 1
  let characters = texts[0]?.length ?? 0
  while (end < texts.length) {
    characters += texts[end]!.length
    if (characters > CHARACTERS_AT_ONCE) break
    end++
  }
  return texts.slice(0, end)
}
