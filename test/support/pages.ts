import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { createServer } from 'node:net'
import { join } from 'node:path'
import type { TestContext } from 'node:test'

/** Pages of documentation, whose blocks of code are run as a reader would. */

const ROOT = join(import.meta.dirname, '../..')

/** The lines of a page's block of code behind a marker. */
export function blockOf(page: string, name: string): string {
  const found = page.match(new RegExp(`<!-- ${name} -->\\n\`\`\`[a-z]*\\n([\\s\\S]*?)\`\`\``))
  assert.ok(found, `the page has no block "${name}"`)
  return found[1]!
}

export async function freePort(): Promise<string> {
  const server = createServer().listen(0, '127.0.0.1')
  await new Promise((resolve) => server.once('listening', resolve))
  const { port } = server.address() as { port: number }
  await new Promise((resolve) => server.close(resolve))
  return String(port)
}

/** The same lines with other ports, so that the test disturbs nobody. */
export async function withFreePorts(script: string): Promise<string> {
  let result = script
  for (const port of new Set(script.match(/\b[89]00\d\b/g))) result = result.replaceAll(port, await freePort())
  return result
}

/** Runs lines as a reader would paste them. Answers what they printed; fails when one of them fails. */
export async function paste(t: TestContext, script: string, home: string): Promise<string> {
  const { XDG_DATA_HOME: _data, XDG_CONFIG_HOME: _config, ...env } = process.env
  const shell = spawn('bash', ['-euo', 'pipefail'], {
    cwd: ROOT,
    env: { ...env, HOME: home, TMPDIR: home },
    detached: true,
  })
  t.after(() => {
    // The shell leads a process group of its own: whatever it left behind ends with the test.
    try {
      process.kill(-shell.pid!, 'SIGKILL')
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error
    }
  })
  let output = ''
  for (const stream of [shell.stdout, shell.stderr])
    stream.setEncoding('utf8').on('data', (text: string) => (output += text))
  shell.stdin.end(script)
  const code = await new Promise((resolve) => shell.once('exit', resolve))
  assert.equal(code, 0, output)
  return output
}
