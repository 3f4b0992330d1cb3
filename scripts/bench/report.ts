import type { Measurement } from './measure.ts'

const COLUMNS = ['row', 'ours', 'baseline', 'ratio', 'bound', ''] as const

/** The table for a terminal, with the notes below it. */
export function textTable(figures: readonly Measurement[]): string {
  const rows = [[...COLUMNS], ...figures.map(cells)]
  const widths = COLUMNS.map((_, column) => Math.max(...rows.map((row) => row[column]!.length)))
  const lines = rows.map((row) =>
    row
      .map((cell, column) => (column === 0 ? cell.padEnd(widths[column]!) : cell.padStart(widths[column]!)))
      .join('  ')
      .trimEnd(),
  )
  return [...lines, '', ...notes(figures).map((note) => `- ${note}`)].join('\n')
}

/** The record of a run. */
export function markdownTable(figures: readonly Measurement[], run: { machine: string; date: string }): string {
  const line = (row: readonly string[]): string => `| ${row.join(' | ')} |`
  return [
    '# Results of the last recorded run',
    '',
    `${run.date.slice(0, 10)}, ${run.machine}. Written by \`npm run bench -- --record\`; trust the ratios, not the absolutes.`,
    '',
    line(COLUMNS),
    line(COLUMNS.map((_, column) => (column === 0 ? '---' : '---:'))),
    ...figures.map((figure) => line(cells(figure))),
    '',
    ...notes(figures).map((note) => `- ${note}`),
    '',
  ].join('\n')
}

function cells({ label, unit, ours, baseline, ratio, bound, reached }: Measurement): string[] {
  return [
    label,
    `${figure(ours)} ${unit}`,
    baseline === undefined ? '' : `${figure(baseline)} ${unit}`,
    ratio === undefined ? '' : ratio.toFixed(2),
    bound === undefined ? '' : boundText(bound, unit),
    reached === undefined ? '' : reached ? 'reached' : 'MISSED',
  ]
}

function boundText(bound: NonNullable<Measurement['bound']>, unit: string): string {
  if (bound.kind === 'ratio') return `≥ ${bound.value}`
  return `${bound.kind === 'below' ? '<' : '≥'} ${bound.value} ${unit}`
}

const figure = (value: number): string =>
  value >= 1000 ? Math.round(value).toLocaleString('en-US') : value.toPrecision(3)

const notes = (figures: readonly Measurement[]): string[] =>
  figures.flatMap(({ label, note }) => (note === undefined ? [] : [`${label}: ${note}`]))
