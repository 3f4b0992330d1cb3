import type { MetricDescription } from './metric-families.ts'

const SOURCE = { type: 'prometheus', uid: '$datasource' }
/** A third of the width of a dashboard, which is 24. */
const WIDTH = 8
const HEIGHT = 7
const NODES = '{job=~"$job",instance=~"$instance"}'
const INTERVAL = '$__rate_interval'
/** How the parts of a node are called; the second word of a metric's name says which one it is of. */
const TITLES: Readonly<Record<string, string>> = { http: 'HTTP', ian: 'Agent network' }

/** A dashboard with a panel for every metric, as Grafana imports it. The same metrics make the same text. */
export function dashboardOf(families: readonly MetricDescription[]): string {
  const groups = Map.groupBy(families, groupOf)
  const panels: object[] = []
  let y = 0
  for (const group of [...groups.keys()].sort()) {
    panels.push({
      id: panels.length + 1,
      type: 'row',
      title: titleOf(group),
      collapsed: false,
      panels: [],
      gridPos: { x: 0, y: y++, w: 24, h: 1 },
    })
    const members = groups.get(group)!
    for (const [i, family] of members.entries()) {
      const gridPos = { x: (i % 3) * WIDTH, y: y + Math.floor(i / 3) * HEIGHT, w: WIDTH, h: HEIGHT }
      panels.push({ id: panels.length + 1, ...panelOf(family), gridPos })
    }
    y += Math.ceil(members.length / 3) * HEIGHT
  }
  const dashboard = {
    uid: 'cytoplex',
    title: 'Cytoplex',
    tags: ['cytoplex'],
    schemaVersion: 39,
    editable: true,
    refresh: '30s',
    time: { from: 'now-6h', to: 'now' },
    templating: {
      list: [
        { name: 'datasource', type: 'datasource', query: 'prometheus', label: 'Data source' },
        variable('job', 'Job', 'label_values(ian_uptime_seconds, job)'),
        variable('instance', 'Node', 'label_values(ian_uptime_seconds{job=~"$job"}, instance)'),
      ],
    },
    panels,
  }
  return `${JSON.stringify(dashboard, null, 2)}\n`
}

const variable = (name: string, label: string, query: string): object => ({
  name,
  label,
  type: 'query',
  datasource: SOURCE,
  query,
  refresh: 2,
  includeAll: true,
  multi: true,
  current: { text: 'All', value: '$__all' },
})

function groupOf({ name }: MetricDescription): string {
  const [first, second] = name.split('_')
  return first === 'ian' ? 'ian' : second!
}

const titleOf = (group: string): string => TITLES[group] ?? group.charAt(0).toUpperCase() + group.slice(1)

function panelOf({ name, help, type, labels }: MetricDescription): object {
  const by = ['instance', ...labels].join(', ')
  const legend = ['instance', ...labels].map((label) => `{{${label}}}`).join(' ')
  const target = (expr: string, legendFormat = legend) => ({ datasource: SOURCE, expr, legendFormat })
  const targets =
    type === 'histogram'
      ? [0.5, 0.95, 0.99].map((q) =>
          target(
            `histogram_quantile(${q}, sum by (le, instance) (rate(${name}_bucket${NODES}[${INTERVAL}])))`,
            `{{instance}} p${q * 100}`,
          ),
        )
      : type === 'counter'
        ? [target(`sum by (${by}) (rate(${name}${NODES}[${INTERVAL}]))`)]
        : [target(`sum by (${by}) (${name}${NODES})`)]
  return {
    type: 'timeseries',
    title: help,
    description: name,
    datasource: SOURCE,
    fieldConfig: { defaults: { unit: unitOf(name, type), min: 0 }, overrides: [] },
    options: { legend: { displayMode: 'list', placement: 'bottom' }, tooltip: { mode: 'multi' } },
    targets,
  }
}

function unitOf(name: string, type: string): string {
  if (/_bytes(_total)?$/.test(name)) return type === 'counter' ? 'Bps' : 'bytes'
  if (/_seconds$/.test(name)) return 's'
  return type === 'counter' ? 'cps' : 'short'
}
