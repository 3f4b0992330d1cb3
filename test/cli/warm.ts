import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { after } from 'node:test'
import { cleanEnvironment, type Outcome, ROOT } from './launch.ts'
import type { Task } from './warm-child.ts'

let child: ChildProcess | undefined
let last: Promise<unknown> = Promise.resolve()
after(() => child?.kill())

/**
 * Runs `cytoplex` to its end in a process that has loaded it already, one command line after the other: what many command lines print
 * is known in a tenth of the time. That the process itself starts and ends as it should is for `cytoplex` of `launch.ts`.
 */
export function warmCytoplex(args: readonly string[], env = cleanEnvironment(), folder = ROOT): Promise<Outcome> {
  const turn = last.then(() => ask({ args, env, folder }))
  last = turn.catch(() => undefined)
  return turn
}

/** The same at a node that runs, by its data directory. */
export const warmCytoplexAt = (
  { dataDir }: { readonly dataDir: string },
  ...args: readonly string[]
): Promise<Outcome> => warmCytoplex([...args, '--data-dir', dataDir], { ...cleanEnvironment(), NO_COLOR: '1' })

async function ask(task: Task): Promise<Outcome> {
  child ??= fork(join(import.meta.dirname, 'warm-child.ts'), {
    cwd: ROOT,
    execArgv: ['--disable-warning=ExperimentalWarning'],
  })
  const answered = new AbortController()
  const ended = once(child, 'exit', { signal: answered.signal }).then(([code, signal]) => {
    throw new Error(`the process ended with ${code ?? signal} instead of answering`)
  })
  child.send(task)
  try {
    const [outcome] = (await Promise.race([once(child, 'message', { signal: answered.signal }), ended])) as [Outcome]
    return outcome
  } finally {
    ended.catch(() => undefined)
    answered.abort()
  }
}
