import { equalJson } from '../../kernel/base/equal-json.ts'
import type { Store, Transaction } from '../../kernel/storage/store.ts'
import { answerParts, encodeAnswer } from './answer.ts'
import { byVersion } from './candidate.ts'
import { candidatesOf, changePostings, packageDigest } from './cell-index.ts'
import { answerTexts, type CellRecord, cellTexts, decodeCell, packageCells, packages, postings } from './records.ts'

type Reader = Pick<Transaction, 'get'>

/** What is derived of a cell and does not say what the cell says. Answers of an earlier release are as good. */
export function cellIndexProblems(reader: Reader, cell: CellRecord): string[] {
  const problems: string[] = []
  if (reader.get(answerTexts, cell.id) === undefined) problems.push('it has no answer')
  for (const [key, candidate] of candidatesOf(cell)) {
    const listed = (reader.get(postings, key) ?? []).filter(({ id }) => id === cell.id)
    if (listed.length !== 1) problems.push(`it stands ${listed.length} times on the list ${key}`)
    else if (!equalJson(JSON.parse(JSON.stringify(candidate)), listed[0]))
      problems.push(`the list ${key} says another thing`)
  }
  if (reader.get(packageCells, `${packageDigest(cell)}!${cell.id}`) === undefined)
    problems.push('its package does not know it')
  return problems
}

/** Makes anew what is derived of a cell. */
export function mendCellIndex(tx: Transaction, cell: CellRecord, provider: string): void {
  tx.put(answerTexts, cell.id, encodeAnswer(answerParts(cell, provider)))
  for (const [key, candidate] of candidatesOf(cell)) {
    const before = tx.get(postings, key) ?? []
    const others = before.filter(({ id }) => id !== cell.id)
    changePostings(tx, key, before, [...others, candidate].sort(byVersion))
  }
  tx.put(packageCells, `${packageDigest(cell)}!${cell.id}`, '')
}

/** Candidates of a list whose cells are not here, or are on it without offering its name. */
export function strayCandidates(reader: Reader, key: string): string[] {
  return (reader.get(postings, key) ?? []).flatMap(({ id }) => {
    const text = reader.get(cellTexts, id)
    const isOn = text !== undefined && candidatesOf(decodeCell(id, text)).some(([own]) => own === key)
    return isOn ? [] : [id]
  })
}

/** Takes strays off a list. */
export function mendList(tx: Transaction, key: string): void {
  const before = tx.get(postings, key) ?? []
  const strays = new Set(strayCandidates(tx, key))
  changePostings(
    tx,
    key,
    before,
    before.filter(({ id }) => !strays.has(id)),
  )
}

/** Keys of all lists. */
export const listKeys = (store: Store): AsyncIterable<string> => store.keys(postings)

/** How many cells a package says that it has, and how many there are. */
export function packageRefs(
  reader: Reader,
  digest: string,
  cells: readonly string[],
): { said: number; actual: number } {
  const actual = cells.filter((id) => reader.get(cellTexts, id) !== undefined).length
  return { said: reader.get(packages, digest)?.refs ?? 0, actual }
}

/** Sets how many cells a package has; one without is forgotten. */
export function mendPackageRefs(tx: Transaction, digest: string, cells: readonly string[]): void {
  const { actual } = packageRefs(tx, digest, cells)
  const record = tx.get(packages, digest)
  if (record === undefined) return
  if (actual === 0) tx.delete(packages, digest)
  else tx.put(packages, digest, { ...record, refs: actual })
  for (const id of cells) if (tx.get(cellTexts, id) === undefined) tx.delete(packageCells, `${digest}!${id}`)
}
