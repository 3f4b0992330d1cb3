import { useEffect, useRef } from 'preact/hooks'
import uPlot from 'uplot'
import 'uplot/dist/uPlot.min.css'

export interface Line {
  readonly label: string
  /** The unit is part of it. */
  show(value: number): string
  /** Points instead of a line. */
  readonly isPoints?: boolean
  /** Dashed, to be told apart without colour. */
  readonly isDashed?: boolean
}

interface ChartProps {
  /** What the picture shows, for who cannot see it. */
  readonly label: string
  /** The numbers to the right, in order: first those below. Times in seconds. */
  readonly data: readonly (readonly (number | null)[])[]
  readonly lines: readonly Line[]
  /** What the horizontal axis counts; times unless given. */
  readonly showX?: ((value: number) => string) | undefined
  readonly height?: number
}

/** Numbers over time, or over each other. */
export function Chart({ label, data, lines, showX, height = 180 }: ChartProps) {
  const place = useRef<HTMLDivElement>(null)
  const plot = useRef<uPlot>(undefined)
  const latest = useRef(data)
  latest.current = data
  useEffect(() => {
    const element = place.current
    if (element === null) return undefined
    const make = (): void => {
      plot.current?.destroy()
      const options = optionsOf(element, { lines, showX, height })
      plot.current = new uPlot(options, latest.current as unknown as uPlot.AlignedData, element)
    }
    make()
    const resized = new ResizeObserver(([entry]) => {
      if (entry !== undefined && entry.contentRect.width > 0)
        plot.current?.setSize({ width: entry.contentRect.width, height })
    })
    resized.observe(element)
    const scheme = matchMedia('(prefers-color-scheme: dark)')
    scheme.addEventListener('change', make)
    return () => {
      scheme.removeEventListener('change', make)
      resized.disconnect()
      plot.current?.destroy()
    }
  }, [lines.map((line) => line.label).join(), height])
  useEffect(() => plot.current?.setData(data as unknown as uPlot.AlignedData), [data])
  return <div ref={place} class="chart" role="img" aria-label={label} />
}

function optionsOf(
  element: HTMLElement,
  { lines, showX, height }: Pick<ChartProps, 'lines' | 'showX'> & { height: number },
): uPlot.Options {
  const style = getComputedStyle(element)
  const colour = (name: string): string => style.getPropertyValue(name).trim()
  const axis = {
    stroke: colour('--quiet'),
    grid: { stroke: colour('--line'), width: 1 },
    ticks: { stroke: colour('--line') },
  }
  const strokes = [colour('--accent'), colour('--quiet'), colour('--fair')]
  return {
    width: element.clientWidth || 600,
    height,
    legend: { show: true, live: true },
    cursor: { drag: { x: false, y: false } },
    scales: { x: { time: showX === undefined } },
    axes: [
      { ...axis, ...(showX === undefined ? {} : { values: (_plot: uPlot, values: number[]) => values.map(showX) }) },
      {
        ...axis,
        size: 72,
        values: (_plot: uPlot, values: number[]) => values.map((value) => lines[0]?.show(value) ?? ''),
      },
    ],
    series: [
      showX === undefined
        ? {}
        : { label: '', value: (_plot: uPlot, value: number | null) => (value === null ? '–' : showX(value)) },
      ...lines.map(({ label, show, isPoints, isDashed }, at): uPlot.Series => {
        const stroke = strokes[at % strokes.length] ?? 'currentColor'
        return {
          label,
          stroke,
          width: 1.5,
          // Nothing is measured while nobody asks.
          spanGaps: true,
          value: (_plot, value) => (value === null || value === undefined ? '–' : show(value)),
          ...(isDashed ? { dash: [4, 3] } : {}),
          ...(isPoints
            ? { paths: () => null, points: { show: true, size: 7, fill: stroke } }
            : { points: { show: false } }),
        }
      }),
    ],
  }
}
