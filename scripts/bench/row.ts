import { mkdtemp } from 'node:fs/promises'
import { join } from 'node:path'
import type { Measurement } from './measure.ts'
import { type Role, startWorker, type Worker } from './worker-process.ts'

/** What a row of the table works with. Everything that it starts ends with it. */
export interface RowContext {
  /** Small sizes and one short round: whether the row runs, not what it says. */
  readonly quick: boolean
  /** Rounds of each measurement. */
  readonly rounds: number
  /** Milliseconds of one round, where a round is a time. */
  readonly roundMs: number
  /** A new folder of this run. */
  folder(name: string): Promise<string>
  /** A process of its own that plays a role. */
  worker(role: Role): Promise<Worker>
  /** The result of `make`, which is called once in a run, whichever rows ask. */
  shared<T>(name: string, make: () => Promise<T>): Promise<T>
  /** Called when the row has ended. */
  defer(end: () => Promise<unknown>): void
}

/** A row of the table: what it is called on the command line, and how it is measured. */
export interface Row {
  readonly name: string
  readonly title: string
  run(context: RowContext): Promise<Measurement[]>
}

/** Runs a row in a folder of its own below `directory`. */
export async function runRow(
  row: Row,
  options: { quick: boolean; directory: string; shared: Map<string, Promise<unknown>> },
): Promise<Measurement[]> {
  const { quick, directory, shared } = options
  const ends: (() => Promise<unknown>)[] = []
  try {
    return await row.run({
      quick,
      rounds: quick ? 1 : 7,
      roundMs: quick ? 50 : 1500,
      folder: (name) => mkdtemp(join(directory, `${name}-`)),
      async worker(role) {
        const worker = await startWorker(role)
        ends.push(() => worker.stop())
        return worker
      },
      shared<T>(name: string, make: () => Promise<T>) {
        const made = (shared.get(name) as Promise<T> | undefined) ?? make()
        shared.set(name, made)
        return made
      },
      defer: (end) => void ends.push(end),
    })
  } finally {
    await Promise.all(ends.map((end) => end()))
  }
}
