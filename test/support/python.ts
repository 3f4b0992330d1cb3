import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { text } from 'node:stream/consumers'
import { fileURLToPath } from 'node:url'

/** The client in Python and its stand-alone verifier of answers, as what they are: programs in another language. */

/** The folder that `cytoplex` is imported from. */
export const PYTHON_CLIENT = fileURLToPath(new URL('../../protocol/clients/python', import.meta.url))
const FOLDER = `${PYTHON_CLIENT}/cytoplex`

const found = spawnSync('python3', ['-c', 'import sys; sys.exit(sys.version_info < (3, 8))'])

/** Why tests with Python are skipped; false where they run. */
export const withoutPython: string | false = found.status === 0 ? false : 'there is no python3 (3.8 or later) here'

/** Why tests of the client, which needs a newer Python than its verifier, are skipped; false where they run. */
export const withoutNewPython: string | false =
  spawnSync('python3', ['-c', 'import sys; sys.exit(sys.version_info < (3, 10))']).status === 0
    ? false
    : 'there is no python3 (3.10 or later) here'

/**
 * Runs a program that imports `cytoplex`; resolves with what it printed, as JSON. Its `given` is `input`. Rejects with what it wrote when it fails.
 */
export async function runPython<Output>(program: string, input: unknown = null): Promise<Output> {
  const lines = `import json, sys
given = json.load(sys.stdin)
${program}`
  const child = spawn('python3', ['-c', lines], {
    env: { ...process.env, PYTHONPATH: PYTHON_CLIENT, PYTHONDONTWRITEBYTECODE: '1' },
    stdio: ['pipe', 'pipe', 'pipe'],
    // Nothing of these tests takes so long; a client that hangs is a failure.
    timeout: 60_000,
  })
  child.stdin.end(JSON.stringify(input))
  const [output, said, [code]] = await Promise.all([text(child.stdout), text(child.stderr), once(child, 'close')])
  if (code !== 0) throw new Error(`the program ended with ${code}:\n${said}`)
  return JSON.parse(output) as Output
}

/** Calls a function of the verifier's module, `call`, for each of `inputs`; resolves with what it returns. */
export async function inPython<Output>(call: string, inputs: readonly unknown[]): Promise<Output[]> {
  const program = `
import base64, json, sys
sys.path.insert(0, ${JSON.stringify(FOLDER)})
sys.dont_write_bytecode = True
import verify_answer
${call}
print(json.dumps([call(one) for one in json.load(sys.stdin)]))
`
  const child = spawn('python3', ['-c', program], { stdio: ['pipe', 'pipe', 'inherit'] })
  child.stdin.end(JSON.stringify(inputs))
  const [output] = await Promise.all([text(child.stdout), once(child, 'close')])
  return JSON.parse(output) as Output[]
}

/** Verdicts on answers: an empty text for one that holds, else the reason. Each has `text` and what a verifier knows. */
export const pythonVerdicts = (cases: readonly unknown[], network: string): Promise<string[]> =>
  inPython(
    `
def call(case):
    try:
        sources = [verify_answer.base64url(source) for source in case.get("sources", [])]
        known = (case.get("provider_id"), case.get("keys"), case.get("request"), sources, case.get("now"))
        verify_answer.verify(verify_answer.parse(case["text"]), ${JSON.stringify(network)}, *known)
        return ""
    except verify_answer.Refused as reason:
        return str(reason) or "refused"
`,
    cases,
  )
