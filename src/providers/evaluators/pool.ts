import { availableParallelism } from 'node:os'
import { errorMessage } from '../../kernel/base/errors.ts'
import { siblingOf } from '../../kernel/base/siblings.ts'
import { WarmChild } from '../../kernel/sandbox/warm-child.ts'
import { ANSWER_BYTES, encodeLoad } from './messages.ts'

const MIB = 1024 * 1024

/** Children at once. More would share the same cores, and add up in memory. */
const CHILDREN = Math.min(2, availableParallelism())
/** Bytes of memory of one: those of a few evaluations with the most pages, until they are collected, and compiled code. */
const MEMORY_BYTES = 512 * MIB
/** Milliseconds after which a child takes nothing more, so that what engines collect over time is given back. */
const LIFETIME_MS = 10 * 60_000
/** Milliseconds that a new child may take beside those of its first job. */
const START_MS = 30_000
/** Milliseconds after which a child with nothing to do ends. */
const IDLE_MS = 60_000
/** Jobs that are on their way to one child or in it. */
const IN_FLIGHT = 64
/** Fuel that these are expected to take, unless it is one alone: some milliseconds, so that quick ones do not queue behind slow ones. */
const IN_FLIGHT_FUEL = 5_000_000

/** A module that jobs run with: its bytes, and the slot that it has in every child. */
export class PooledModule {
  readonly slot: number
  readonly bytes: Uint8Array
  readonly waiting: Job[] = []
  /** Fuel that one evaluation lately took at most; infinite until there was one. */
  expectedFuel = Number.POSITIVE_INFINITY

  constructor(slot: number, bytes: Uint8Array) {
    this.slot = slot
    this.bytes = bytes
  }
}

/** Something for a child to do with a module. Exactly one of `answered` and `lost` is called, unless the pool is closed before. */
export interface Job {
  readonly module: PooledModule
  /** Most fuel that it takes. */
  readonly fuel: number
  /** Milliseconds that it may take. */
  readonly deadlineMs: number
  /** The message; none where loading the module is all. */
  readonly message: (() => Uint8Array) | undefined
  /** Whether nobody waits for it any more. */
  readonly dropped: () => boolean
  /** Throws when the answer has no sense: the child is ended then, and the job lost. */
  answered(answer: Uint8Array): void
  /** The child ended, or was ended, while it worked on this job. */
  lost(reason: string): void
}

interface Flight {
  readonly job: Job
  readonly fuel: number
  /** Answers that come before the job's own. */
  before: number
}

interface Child {
  readonly process: WarmChild
  /** What each slot holds. */
  readonly modules: Map<number, PooledModule>
  /** In order; the child works on the first. */
  readonly flights: Flight[]
  readonly endOfLife: number
  fuel: number
  /** When the first of the flights became that; later, while the child starts. */
  since: number
  timer: NodeJS.Timeout | undefined
  /** True once it was told to end. */
  ending: boolean
}

/**
 * Children in the sandbox that are kept warm, and the jobs for them. Modules that have jobs waiting take turns. Each child works on one job at a
 * time, in order; what it was given beside that is given to another when it dies.
 */
export class EvaluatorPool {
  readonly #children = new Set<Child>()
  /** Modules with jobs that wait, the next one first. */
  readonly #ready = new Set<PooledModule>()

  run(job: Job): void {
    job.module.waiting.push(job)
    this.#ready.add(job.module)
    this.#dispatch()
  }

  /** Ends the children. What they worked on, and what waited, is heard of no more. */
  async close(): Promise<void> {
    this.#ready.clear()
    const children = [...this.#children]
    for (const child of children) {
      child.flights.length = 0
      this.#end(child, 'closed')
    }
    await Promise.all(children.map(({ process }) => process.gone))
  }

  #dispatch(): void {
    for (const module of this.#ready) {
      while (module.waiting[0]?.dropped() === true) module.waiting.shift()
      const [job] = module.waiting
      if (job !== undefined) {
        const child = this.#childFor(job)
        if (child === undefined) return
        module.waiting.shift()
        this.#send(child, job)
      }
      // Last in turn: a set goes over what is added while it is gone over.
      this.#ready.delete(module)
      if (module.waiting.length > 0) this.#ready.add(module)
    }
  }

  /** One that has nothing to do, a new one, or the one with the least to do that has room. */
  #childFor(job: Job): Child | undefined {
    const now = performance.now()
    let best: Child | undefined
    for (const child of this.#children) {
      if (child.ending || now > child.endOfLife) continue
      if (child.flights.length === 0) return child
      if (best === undefined || child.fuel < best.fuel) best = child
    }
    if (this.#children.size < CHILDREN) return this.#start()
    const hasRoom =
      best !== undefined && best.flights.length < IN_FLIGHT && best.fuel + expectedOf(job) <= IN_FLIGHT_FUEL
    return hasRoom ? best : undefined
  }

  #start(): Child {
    const process = new WarmChild(
      {
        program: siblingOf(import.meta.url, 'evaluator-program'),
        memoryBytes: MEMORY_BYTES,
        deadlineMs: LIFETIME_MS,
        answerBytes: ANSWER_BYTES,
      },
      {
        answer: (bytes) => this.#answered(child, bytes),
        ended: (reason) => this.#ended(child, reason),
      },
    )
    const child: Child = {
      process,
      modules: new Map(),
      flights: [],
      endOfLife: performance.now() + LIFETIME_MS,
      fuel: 0,
      since: performance.now() + START_MS,
      timer: undefined,
      ending: false,
    }
    this.#children.add(child)
    return child
  }

  #send(child: Child, job: Job): void {
    const { module } = job
    const loads = job.message === undefined || child.modules.get(module.slot) !== module
    const flight = { job, fuel: expectedOf(job), before: loads && job.message !== undefined ? 1 : 0 }
    child.fuel += flight.fuel
    child.flights.push(flight)
    if (loads) {
      child.modules.set(module.slot, module)
      child.process.send(encodeLoad({ slot: module.slot, module: module.bytes }))
    }
    if (job.message !== undefined) child.process.send(job.message())
    if (child.flights.length > 1) return
    child.process.hold(true)
    child.since = Math.max(child.since, performance.now())
    this.#arm(child, job.deadlineMs)
  }

  #answered(child: Child, bytes: Uint8Array): void {
    const [flight] = child.flights
    if (child.ending) return
    if (flight === undefined) {
      this.#end(child, 'it answered what nobody asked')
      return
    }
    child.since = performance.now()
    if (flight.before > 0) {
      flight.before--
      return
    }
    try {
      flight.job.answered(bytes)
    } catch (error) {
      this.#end(child, errorMessage(error))
      return
    }
    child.flights.shift()
    child.fuel -= flight.fuel
    if (child.flights.length === 0) this.#rest(child)
    this.#dispatch()
  }

  /** One timer per child: a reply only moves the time that it looks at. */
  #arm(child: Child, inMs: number): void {
    clearTimeout(child.timer)
    child.timer = setTimeout(() => {
      const [flight] = child.flights
      if (flight === undefined) return
      const left = child.since + flight.job.deadlineMs - performance.now()
      if (left > 0) this.#arm(child, left)
      else this.#end(child, `not done within ${flight.job.deadlineMs} ms`)
    }, inMs)
  }

  #rest(child: Child): void {
    child.fuel = 0
    child.process.hold(false)
    clearTimeout(child.timer)
    if (performance.now() > child.endOfLife) {
      this.#end(child, 'it is old')
      return
    }
    child.timer = setTimeout(() => this.#end(child, 'it had nothing to do'), IDLE_MS)
    child.timer.unref()
  }

  #end(child: Child, reason: string): void {
    child.ending = true
    clearTimeout(child.timer)
    child.process.kill(reason)
  }

  /** The first of the flights is lost with the child; the others are the first in their turn. */
  #ended(child: Child, reason: string): void {
    this.#children.delete(child)
    clearTimeout(child.timer)
    const [first, ...others] = child.flights.splice(0)
    for (const { job } of others.reverse()) {
      job.module.waiting.unshift(job)
      this.#ready.add(job.module)
    }
    first?.job.lost(reason)
    this.#dispatch()
  }
}

const expectedOf = ({ module, fuel }: Job): number => Math.min(fuel, module.expectedFuel)
