import { run } from '../../src/cli/program.ts'

/** One command line, and what it is run with. */
export interface Task {
  readonly args: readonly string[]
  readonly env: Readonly<Record<string, string | undefined>>
  readonly folder: string
}

const root = process.cwd()

/** Runs a command line in this process as if it were one of its own, and resolves with what it left. */
async function perform({ args, env, folder }: Task) {
  for (const name of Object.keys(process.env)) delete process.env[name]
  for (const [name, value] of Object.entries(env)) if (value !== undefined) process.env[name] = value
  process.chdir(folder)
  const written = { stdout: '', stderr: '' }
  const restore = (['stdout', 'stderr'] as const).map((name) => {
    const stream = process[name]
    const { write } = stream
    stream.write = (chunk: string | Uint8Array, ...rest: unknown[]): boolean => {
      written[name] += typeof chunk === 'string' ? chunk : Buffer.from(chunk).toString()
      for (const done of rest) if (typeof done === 'function') process.nextTick(done as () => void)
      return true
    }
    return () => {
      stream.write = write
    }
  })
  try {
    return { code: await run(args), ...written }
  } finally {
    for (const undo of restore) undo()
    process.chdir(root)
  }
}

process.on('message', async (task: Task) => process.send?.(await perform(task)))
