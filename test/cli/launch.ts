import { type ChildProcess, spawn } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'

export const ROOT = join(import.meta.dirname, '..', '..')
export const LAUNCHER = join(ROOT, 'scripts', 'cytoplex')

/** What a process left behind. */
export interface Outcome {
  readonly code: number | null
  readonly stdout: string
  readonly stderr: string
}

const scratch = mkdtempSync(join(tmpdir(), 'cytoplex-cli-'))
// A hook of the test runner may run before tests that a file makes after an `await` of its own have ended.
process.once('exit', () => rmSync(scratch, { recursive: true, force: true }))

/** A fresh temporary folder, which is gone when the tests of the file have ended. */
export const temporary = (): string => mkdtempSync(join(scratch, 'case-'))

/**
 * The environment of this process without what configures Cytoplex, with a home of its own. Compiled code is kept between runs, in
 * the checkout.
 */
export function cleanEnvironment(extra: Record<string, string> = {}): NodeJS.ProcessEnv {
  const kept = Object.entries(process.env).filter(
    ([name]) => !/^(CYTOPLEX_|IAN_|XDG_|NO_COLOR|FORCE_COLOR|NODE_TEST)/.test(name),
  )
  return {
    ...Object.fromEntries(kept),
    HOME: temporary(),
    XDG_CACHE_HOME: join(ROOT, 'node_modules', '.cache'),
    ...extra,
  }
}

/** Starts `cytoplex` with pipes for output. */
export function spawnCytoplex(args: readonly string[], env = cleanEnvironment()): ChildProcess {
  return spawn(LAUNCHER, args, { env, stdio: ['ignore', 'pipe', 'pipe'] })
}

/** Everything that a child with pipes writes until it ends. */
export async function outcome(child: ChildProcess): Promise<Outcome> {
  if (!child.stdout || !child.stderr) throw new Error('the child has no pipes')
  const ended = new Promise<number | null>((resolve, reject) => child.once('close', resolve).once('error', reject))
  const [stdout, stderr, code] = await Promise.all([text(child.stdout), text(child.stderr), ended])
  return { code, stdout, stderr }
}

/** Runs `cytoplex` to its end. */
export const cytoplex = (args: readonly string[], env = cleanEnvironment()): Promise<Outcome> =>
  outcome(spawnCytoplex(args, env))

/** The next line that a child writes to stdout. Rejects when it ends first. */
export function nextLine(child: ChildProcess): Promise<string> {
  return new Promise((resolve, reject) => {
    let received = ''
    child.stdout?.on('data', (chunk: Buffer) => {
      received += chunk.toString()
      const end = received.indexOf('\n')
      if (end !== -1) resolve(received.slice(0, end))
    })
    child.once('exit', (code, signal) => reject(new Error(`ended with ${code ?? signal} before it wrote a line`)))
  })
}
