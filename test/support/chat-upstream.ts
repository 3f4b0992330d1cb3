import { createServer, type IncomingHttpHeaders, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { TestContext } from 'node:test'
import type { Llm } from '../../src/kernel/plugins/packages/llms.ts'
import { llms } from '../../src/kernel/plugins/packages/llms.ts'
import type { ProviderConfig } from '../../src/kernel/plugins/provider-config.ts'
import { isolatedRegistry } from '../../src/providers/built-in.ts'

/** What a service of chat completions was asked. */
export interface AskedChat {
  readonly path: string
  readonly headers: IncomingHttpHeaders
  readonly body: { model: string; messages: { role: string; content: string }[] } & Record<string, unknown>
  /** Resolves when the connection is closed; true where that was before the answer was whole. */
  readonly leftEarly: Promise<boolean>
}

export type Script = (asked: AskedChat, response: ServerResponse) => void | Promise<void>

export interface ChatUpstream {
  readonly base_url: string
  readonly asked: AskedChat[]
  /** What it does from now on. */
  script: Script
  /** Resolves with the next one that is asked. */
  next(): Promise<AskedChat>
}

/** The model of {@link ChatUpstream.llm}. */
export const MODEL = 'scripted'

/** A service that speaks chat completions as a script tells it. */
export async function chatUpstream(
  t: Pick<TestContext, 'after'>,
  script: Script = says('Hello.'),
): Promise<ChatUpstream> {
  const waiting: ((asked: AskedChat) => void)[] = []
  const server = createServer((request, response) => {
    let text = ''
    request.setEncoding('utf8').on('data', (part) => {
      text += part
    })
    const leftEarly = new Promise<boolean>((resolve) =>
      response.once('close', () => resolve(!response.writableFinished)),
    )
    request.on('end', () => {
      const one = { path: request.url ?? '', headers: request.headers, body: JSON.parse(text), leftEarly }
      upstream.asked.push(one)
      for (const resolve of waiting.splice(0)) resolve(one)
      void upstream.script(one, response)
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  t.after(() => {
    server.closeAllConnections()
    server.close()
  })
  const upstream: ChatUpstream = {
    base_url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/v1`,
    asked: [],
    script,
    next: () => new Promise((resolve) => waiting.push(resolve)),
  }
  return upstream
}

/** The provider that asks it. */
export const llmOf = ({ base_url }: ChatUpstream, config: ProviderConfig = {}): Promise<Llm> =>
  isolatedRegistry().createProvider(llms, 'openai-compatible', { base_url, model: MODEL, ...config })

export const chunkOf = (content: string): string => dataOf({ choices: [{ index: 0, delta: { content } }] })
export const dataOf = (value: unknown): string => `data: ${JSON.stringify(value)}\n\n`
export const FINISHED = dataOf({ choices: [{ index: 0, delta: {}, finish_reason: 'stop' }] })
export const USED = dataOf({ choices: [], usage: { prompt_tokens: 11, completion_tokens: 5 } })
export const DONE = 'data: [DONE]\n\n'

export const begin = (response: ServerResponse): ServerResponse =>
  response.writeHead(200, { 'Content-Type': 'text/event-stream' })

/** Streams a text word by word, with what it took. */
export const says =
  (text: string): Script =>
  (_asked, response) => {
    begin(response)
    for (const word of text.match(/\S+\s*/g) ?? []) response.write(chunkOf(word))
    response.end(FINISHED + USED + DONE)
  }
