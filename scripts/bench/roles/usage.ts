import { hash } from 'node:crypto'
import { type DistinctCounter, loadDistinctCounters } from '../../../src/domain/analytics/distinct.ts'
import { analytics, dayIndex, signatureSketches } from '../../../src/domain/analytics/kinds.ts'
import { DAY_MS, dayName, dayOf, HOUR_MS, hourName, hourOf, seriesName } from '../../../src/domain/analytics/periods.ts'
import type { UsageContribution } from '../../../src/domain/analytics/report.ts'
import { CellSums, NodeSums } from '../../../src/domain/analytics/sums.ts'
import type { Keyspace } from '../../../src/kernel/storage/keyspaces.ts'
import type { Store } from '../../../src/kernel/storage/store.ts'
import { cellName } from '../cells.ts'
import { newStore } from '../new-store.ts'

/** Sums that differ; the versions share them in turn. */
const DIFFERENT = 8
/** Hours that are kept beside the days. */
const HOURS = 48
const AT_ONCE = 2000
const PLATFORMS = ['linux', 'macos', 'windows', 'android', 'ios']

interface Filling {
  readonly dataDir: string
  readonly versions: number
  readonly reports: number
  readonly days: number
}

/** Makes what so many reports in the last days leave in a store, spread evenly over versions and hours. Returns the bytes of all keys and values. */
async function fill({ dataDir, versions, reports, days }: Filling): Promise<number> {
  const { store } = await newStore(dataDir)
  const now = Date.now()
  const aDay = Math.ceil(reports / days / versions)
  const writer = new Writer(store)
  const ofDay = await templates(aDay, now)
  const ofHour = await templates(Math.ceil(aDay / 24), now)
  const node = JSON.stringify(nodeSums(aDay * versions))
  const all = Array.from({ length: versions }, (_, number) => seriesName(cellName(number), '1.0.0'))

  for (let day = dayOf(now) - days + 1; day <= dayOf(now); day++) {
    const isOpen = day * DAY_MS > now - HOURS * HOUR_MS
    for (const [number, series] of all.entries()) {
      const { sums, sketch } = ofDay[number % DIFFERENT]!
      await writer.put(analytics, `${dayName(day)}!${series}`, sums)
      if (isOpen) await writer.put(signatureSketches, `${dayName(day)}!${series}`, sketch)
    }
    await writer.put(analytics, `index!${dayName(day)}`, dayIndex.toText(new Map(all.map((series) => [series, aDay]))))
    await writer.put(analytics, `node!${dayName(day)}`, node)
  }
  for (let hour = hourOf(now) - HOURS + 1; hour <= hourOf(now); hour++) {
    for (const [number, series] of all.entries()) {
      const { sums, sketch } = ofHour[number % DIFFERENT]!
      await writer.put(analytics, `${hourName(hour)}!${series}`, sums)
      await writer.put(signatureSketches, `${hourName(hour)}!${series}`, sketch)
    }
    await writer.put(analytics, `node!${hourName(hour)}`, node)
  }
  await writer.end()
  await store.close()
  return writer.bytes
}

/** Writes many values in few transactions. */
class Writer {
  bytes = 0
  readonly #store: Store
  #values: [space: Keyspace<string>, name: string, text: string][] = []

  constructor(store: Store) {
    this.#store = store
  }

  async put(space: Keyspace<string>, name: string, text: string): Promise<void> {
    this.bytes += space.prefix.length + name.length + text.length
    this.#values.push([space, name, text])
    if (this.#values.length >= AT_ONCE) await this.end()
  }

  async end(): Promise<void> {
    const values = this.#values
    this.#values = []
    await this.#store.transact((tx) => {
      for (const [space, name, text] of values) tx.put(space, name, text)
    })
  }
}

/** What `reports` reports add up to, some times over. */
async function templates(reports: number, at: number): Promise<{ sums: string; sketch: string }[]> {
  const counters = await loadDistinctCounters()
  return Array.from({ length: DIFFERENT }, (_, number) => {
    const sums = new CellSums()
    const counter: DistinctCounter = counters.create()
    sums.counter = counter
    for (let count = 0; count < reports; count++) sums.add(report(at))
    // One of ten reports is signed, by somebody else each.
    for (let count = 0; count < reports; count += 10) counter.add(hash('sha256', `${number} ${count}`))
    return { sums: JSON.stringify(sums), sketch: counter.toText() }
  })
}

function report(at: number): UsageContribution {
  const chance = Math.random()
  return {
    kind: 'usage',
    at,
    cellType: cellName(0),
    version: '1.0.0',
    activations: 1 + Math.floor(chance * 10),
    activeMs: Math.round(chance * 10_000),
    errors: chance < 0.01 ? 1 : 0,
    capabilities: { [`capability-${Math.floor(Math.random() * 8)}`]: 1, 'capability-main': 3 },
    platform: PLATFORMS[Math.floor(Math.random() * PLATFORMS.length)]!,
    // Most take some ten milliseconds, a few take seconds.
    initializationMs: 10 / (1.001 - Math.random()),
  }
}

function nodeSums(requests: number): NodeSums {
  const sums = new NodeSums()
  for (let count = 0; count < requests; count++) sums.add(1 / (1.001 - Math.random()), true, 10)
  return sums
}

export const commands = { fill }
