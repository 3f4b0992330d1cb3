import { createServer, type IncomingHttpHeaders, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { TestContext } from 'node:test'

/** A request that a {@link toldService} got. */
export interface Asked<Body> {
  readonly path: string
  readonly headers: IncomingHttpHeaders
  readonly body: Body
}

/** A service in the shape of OpenAI's, which answers as it is told and remembers what it was asked. */
export async function toldService<Body>(
  t: Pick<TestContext, 'after'>,
  answer: (asked: Asked<Body>, response: ServerResponse) => void,
): Promise<{ base_url: string; asked: Asked<Body>[] }> {
  const asked: Asked<Body>[] = []
  const server = createServer((request, response) => {
    let text = ''
    request.setEncoding('utf8').on('data', (part) => {
      text += part
    })
    request.on('end', () => {
      const one: Asked<Body> = { path: request.url ?? '', headers: request.headers, body: JSON.parse(text) }
      asked.push(one)
      answer(one, response)
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  t.after(() => {
    server.closeAllConnections()
    server.close()
  })
  return { base_url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/v1`, asked }
}
