import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { parse } from 'yaml'
import { dashboardOf } from '../../scripts/grafana-dashboard.ts'
import { metricFamilies } from '../../scripts/metric-families.ts'

const CONFIG = join(import.meta.dirname, '..', '..', 'config')

test('the dashboard is what its script makes of the metrics, and every alert asks for one of them', async () => {
  const families = await metricFamilies()
  const dashboard = dashboardOf(families)
  assert.equal(dashboard, await readFile(join(CONFIG, 'grafana', 'cytoplex.json'), 'utf8'), 'run: npm run grafana')
  assert.equal(dashboardOf([...families]), dashboard, 'the same metrics make the same text')
  for (const { name } of families) assert.ok(dashboard.includes(name), name)

  const rules = parse(await readFile(join(CONFIG, 'prometheus', 'alerts.yaml'), 'utf8')) as {
    groups: { rules: { alert: string; expr: string; annotations: Record<string, string> }[] }[]
  }
  const names = new Set(
    families.flatMap(({ name, type }) => (type === 'histogram' ? [name, `${name}_bucket`] : [name])),
  )
  for (const { alert, expr, annotations } of rules.groups.flatMap((group) => group.rules)) {
    for (const [name] of expr.matchAll(/\b(?:cytoplex|ian)_[a-z_]+/g)) assert.ok(names.has(name), `${alert}: ${name}`)
    assert.ok(annotations.summary && annotations.action, `${alert} says what to do`)
  }
})

test('promtool accepts the scrape configuration and the rules', (t) => {
  for (const args of [
    ['check', 'config', 'prometheus.yaml'],
    ['check', 'rules', 'alerts.yaml'],
  ]) {
    const checked = spawnSync('promtool', args, { cwd: join(CONFIG, 'prometheus'), encoding: 'utf8' })
    if (checked.error !== undefined) return t.skip(`promtool cannot be run: ${checked.error.message}`)
    assert.equal(checked.status, 0, checked.stdout + checked.stderr)
  }
})

test('systemd accepts the unit', (t) => {
  const verified = spawnSync('systemd-analyze', ['verify', '--man=no', join(CONFIG, 'cytoplex.service')], {
    encoding: 'utf8',
  })
  if (verified.error !== undefined) return t.skip(`systemd-analyze cannot be run: ${verified.error.message}`)
  assert.equal(verified.status, 0, verified.stderr)
})
