import { createHash } from 'node:crypto'
import { SnapshotEnd, SnapshotHead } from '../../../protocol/upkeep.ts'
import { checkerOf } from '../../kernel/base/checker.ts'
import type { StoredEntry } from '../../kernel/storage/store.ts'

/** Bytes of a line at most: the largest record is far smaller, and what never ends is not kept. */
const MAX_LINE = 64 * 1024 * 1024
const LINE_FEED = 10

const headSchema = checkerOf(SnapshotHead)
const endSchema = checkerOf(SnapshotEnd)

/** Hears of the first line as soon as it is read. */
type OnHead = (head: SnapshotHead) => void

/**
 * The records of a snapshot, as they come. What was read is to be believed only when the iteration has ended: then the snapshot was whole, and
 * its digest right. Throws `Error` for anything else.
 */
export async function* readSnapshot(bytes: AsyncIterable<Uint8Array>, onHead: OnHead): AsyncGenerator<StoredEntry> {
  const hash = createHash('sha256')
  let entries = 0
  let head: SnapshotHead | undefined
  let end: SnapshotEnd | undefined
  for await (const line of lines(bytes)) {
    if (end !== undefined) throw new Error('the snapshot goes on after its end')
    const value = parsed(line)
    if (head === undefined) {
      if (!headSchema.Check(value))
        throw new Error('this is no snapshot, or one of a newer program: its first line says another thing')
      head = value
      onHead(head)
    } else if (isEntry(value)) {
      entries++
      yield value
    } else {
      if (!endSchema.Check(value)) throw new Error(`line ${entries + 2} of the snapshot is damaged`)
      end = value
      continue
    }
    hash.update(line)
  }
  if (end === undefined) throw new Error('the snapshot breaks off before its end')
  if (end.entries !== entries) throw new Error(`the snapshot has ${entries} records, its end says ${end.entries}`)
  if (end.sha256 !== hash.digest('hex')) throw new Error('the digest of the snapshot is wrong: it was changed')
}

const isEntry = (value: unknown): value is StoredEntry =>
  Array.isArray(value) && value.length === 2 && value.every((part) => typeof part === 'string')

function parsed(line: Uint8Array): unknown {
  try {
    return JSON.parse(Buffer.from(line.buffer, line.byteOffset, line.byteLength).toString('utf8'))
  } catch {
    throw new Error('a line of the snapshot is damaged')
  }
}

/** Lines with their line feeds. */
async function* lines(bytes: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  let rest: Uint8Array[] = []
  let kept = 0
  for await (const piece of bytes) {
    let from = 0
    for (let at = piece.indexOf(LINE_FEED); at !== -1; at = piece.indexOf(LINE_FEED, from)) {
      const line = piece.subarray(from, at + 1)
      yield rest.length === 0 ? line : Buffer.concat([...rest, line])
      rest = []
      kept = 0
      from = at + 1
    }
    if (from === piece.length) continue
    rest.push(piece.slice(from))
    kept += piece.length - from
    if (kept > MAX_LINE) throw new Error(`a line of the snapshot is longer than ${MAX_LINE} bytes`)
  }
  if (kept > 0) yield Buffer.concat(rest)
}
