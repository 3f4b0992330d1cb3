import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { text } from 'node:stream/consumers'
import { fileURLToPath } from 'node:url'

/** The stand-alone verifier of answers, as what it is: a program in another language. */

const FOLDER = fileURLToPath(new URL('../../protocol/clients/python/cytoplex', import.meta.url))

const found = spawnSync('python3', ['-c', 'import sys; sys.exit(sys.version_info < (3, 8))'])

/** Why tests with Python are skipped; false where they run. */
export const withoutPython: string | false = found.status === 0 ? false : 'there is no python3 (3.8 or later) here'

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
