import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { dashboardOf } from './grafana-dashboard.ts'
import { metricFamilies } from './metric-families.ts'

/** Writes `config/grafana/cytoplex.json`, from the metrics that a node registers. */
await writeFile(
  join(import.meta.dirname, '..', 'config', 'grafana', 'cytoplex.json'),
  dashboardOf(await metricFamilies()),
)
