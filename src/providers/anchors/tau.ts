import { randomBytes } from 'node:crypto'
import { LineClient } from '../../kernel/egress/line-client.ts'
import { type Anchor, AnchorRefusal } from '../../kernel/plugins/packages/anchors.ts'
import type { ProviderConfig } from '../../kernel/plugins/provider-config.ts'

/** Bytes of an answer: a receipt or a reason of 256 characters with what stands before it. */
const MAX_ANSWER_BYTES = 1024
/** Milliseconds for one statement when the configuration says nothing. */
const DEFAULT_TIMEOUT_MS = 10_000
const OK = /^OK ([0-9a-f]{16}) ([\x21-\x7e]{1,256})$/
const NO = /^NO ([0-9a-f]{16}) ([\x20-\x7e]{1,256})$/

/** A service that keeps statements, over TCP. protocol/README.md, "Anchors", has its lines. */
export function createTauAnchor(_signal: AbortSignal, config: ProviderConfig): Anchor {
  const { timeout = DEFAULT_TIMEOUT_MS } = config
  const client = new LineClient({ host: String(config.host), port: Number(config.port), maxBytes: MAX_ANSWER_BYTES })
  return {
    async commit({ origin, size, root, checkpoint }, signal) {
      const request = randomBytes(8).toString('hex')
      const note = Buffer.from(checkpoint).toString('base64')
      const line = `COMMIT ${request} ${origin} ${size} ${root} ${note}`
      const limited = AbortSignal.any([signal, AbortSignal.timeout(timeout)])
      const { receipt, refusal } = await client.ask(line, (answer) => readAnswer(answer, request), limited)
      if (receipt === undefined) throw new AnchorRefusal(`tau refuses: ${refusal}`)
      return { receipt }
    },
    async close() {
      client.close()
    },
  }
}

/** Throws for anything that is no answer to that request. */
function readAnswer(
  answer: string,
  request: string,
): { readonly receipt?: string | undefined; readonly refusal?: string | undefined } {
  const [, id, receipt] = OK.exec(answer) ?? []
  const [, refused, refusal] = NO.exec(answer) ?? []
  if ((id ?? refused) !== request) throw new Error('tau answers with something else than OK or NO and the request')
  return { receipt, refusal }
}
