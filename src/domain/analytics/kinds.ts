import { KEYSPACES, textKeyspace } from '../../kernel/storage/keyspaces.ts'
import type { DistinctCounter, DistinctCounters } from './distinct.ts'
import { CellIssues } from './issues.ts'
import { CellSums, NodeSums } from './sums.ts'
import type { Kind } from './working-set.ts'

export const analytics = textKeyspace(KEYSPACES.analytics)
export const signatureSketches = textKeyspace(KEYSPACES.signatureSketches)
export const issues = textKeyspace(KEYSPACES.issues)

/** `<period>!<cell type>!<version>`. */
export const cellSums: Kind<CellSums> = {
  space: analytics,
  read: (text) => {
    const sums = new CellSums()
    if (text !== undefined) sums.addAll(JSON.parse(text))
    return sums
  },
  toText: JSON.stringify,
}

/** `node!<period>`. */
export const nodeSums: Kind<NodeSums> = {
  space: analytics,
  read: (text) => {
    const sums = new NodeSums()
    if (text !== undefined) sums.addAll(JSON.parse(text))
    return sums
  },
  toText: JSON.stringify,
}

/** Names as `<cell type>!<version>`, and the activations of each: two lists are read three times as fast as an object with as many members. */
export type StoredDayIndex = readonly [series: readonly string[], activations: readonly number[]]

/** `index!<day>`: activations of that day by version. */
export const dayIndex: Kind<Map<string, number>> = {
  space: analytics,
  read: (text) => {
    const [series, activations] = text === undefined ? [[], []] : (JSON.parse(text) as StoredDayIndex)
    return new Map(series.map((name, place) => [name, activations[place]!]))
  },
  toText: (index) => JSON.stringify([[...index.keys()], [...index.values()]] satisfies StoredDayIndex),
}

/** `total!<cell type>!<version>`: activations since the first report, and the last day of one. */
export const cellTotal: Kind<{ activations: number; day: number }> = {
  space: analytics,
  read: (text) => (text === undefined ? { activations: 0, day: 0 } : JSON.parse(text)),
  toText: JSON.stringify,
}

/** `<period>!<cell type>!<version>`. */
export const signatureCounter = (counters: DistinctCounters): Kind<DistinctCounter> => ({
  space: signatureSketches,
  read: (text) => (text === undefined ? counters.create() : counters.read(text)),
  toText: (counter) => counter.toText(),
})

/** Cell type. */
export const cellIssues: Kind<CellIssues> = {
  space: issues,
  read: (text) => new CellIssues(text === undefined ? [] : JSON.parse(text)),
  toText: JSON.stringify,
}
