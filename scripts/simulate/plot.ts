/** A figure of every federation, by its number of nodes. */
export interface Series {
  readonly name: string
  readonly unit: string
  readonly points: readonly (readonly [nodes: number, value: number])[]
}

const WIDTH = 320
const HEIGHT = 220
const MARGIN = 40
const COLUMNS = 2

/** An SVG of small plots, one a series, over a logarithmic number of nodes: what grows like the logarithm is a straight line there, and dashed is one through the first point. */
export function plots(series: readonly Series[]): string {
  const rows = Math.ceil(series.length / COLUMNS)
  const drawn = series.map((one, i) => {
    const x = (i % COLUMNS) * WIDTH
    const y = Math.floor(i / COLUMNS) * HEIGHT
    return `<g transform="translate(${x} ${y})">${plot(one)}</g>`
  })
  const size = `width="${WIDTH * COLUMNS}" height="${HEIGHT * rows}"`
  const style = 'font-family="sans-serif" font-size="11" fill="none" stroke="none"'
  return `<svg xmlns="http://www.w3.org/2000/svg" ${size} ${style}><title>Growth of a simulated federation</title>\n<rect ${size} fill="#fff"/>\n${drawn.join('\n')}\n</svg>\n`
}

function plot({ name, unit, points }: Series): string {
  const [first] = points
  const last = points.at(-1)
  if (first === undefined || last === undefined) return ''
  const logarithm = (nodes: number): number => first[1] * (Math.log(nodes) / Math.log(first[0]))
  const most = 1.1 * Math.max(logarithm(last[0]), ...points.map(([, value]) => value), Number.MIN_VALUE)
  const span = Math.log(last[0] / first[0]) || 1
  const at = ([nodes, value]: readonly [number, number]): string => {
    const x = MARGIN + ((WIDTH - 2 * MARGIN) * Math.log(nodes / first[0])) / span
    const y = HEIGHT - MARGIN - ((HEIGHT - 2 * MARGIN) * value) / most
    return `${x.toFixed(1)},${y.toFixed(1)}`
  }
  const dots = points.map((point) => {
    const [x, y] = at(point).split(',')
    return `<circle cx="${x}" cy="${y}" r="3" fill="#1f5fa8"/><text x="${x}" y="${HEIGHT - MARGIN + 16}" text-anchor="middle" fill="#333">${point[0]}</text>`
  })
  const reference = points.map(([nodes]) => at([nodes, logarithm(nodes)])).join(' ')
  const frame = `M${MARGIN},${MARGIN} V${HEIGHT - MARGIN} H${WIDTH - MARGIN}`
  return [
    `<text x="${MARGIN}" y="${MARGIN - 14}" fill="#111">${name} (${unit})</text>`,
    `<path d="${frame}" stroke="#999"/>`,
    `<text x="${MARGIN - 4}" y="${MARGIN + 4}" text-anchor="end" fill="#333">${rounded(most)}</text>`,
    `<polyline points="${reference}" stroke="#999" stroke-dasharray="4 4"/>`,
    `<polyline points="${points.map(at).join(' ')}" stroke="#1f5fa8" stroke-width="1.5"/>`,
    ...dots,
  ].join('')
}

const rounded = (value: number): string => (value >= 100 ? value.toFixed(0) : value.toPrecision(2))
