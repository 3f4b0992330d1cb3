import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { once } from 'node:events'
import { writeFile } from 'node:fs/promises'
import { get, request } from 'node:https'
import { connect } from 'node:net'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { connect as connectTls } from 'node:tls'
import { promisify } from 'node:util'
import { type Certificate, CertificateRenewal, type CertificateSource } from '../../src/http/certificates.ts'
import { type HttpServer, startHttp } from '../../src/http/server.ts'
import { systemClock } from '../../src/kernel/base/clock.ts'
import { StartError } from '../../src/kernel/base/errors.ts'
import { selfSignedCertificate } from '../../src/kernel/identity/http-certificate.ts'
import { createMetrics } from '../../src/kernel/telemetry/metrics.ts'
import { silentLogger } from '../network/nodes.ts'
import { temporaryFolder } from '../support/folders.ts'
import { FakeNode } from './fake-node.ts'
import { ADMIN_KEY, MAX_PACKAGE } from './harness.ts'

const run = promisify(execFile)
const UNLIMITED = { anonymous: 0, reader: 0, publisher: 0, admin: 0 }

interface Options {
  readonly source?: CertificateSource
  readonly ws_port?: number
  readonly healthPort?: number
}

async function listen(t: TestContext, { source, ws_port, healthPort }: Options): Promise<HttpServer> {
  const server = await startHttp(new FakeNode(), {
    config: {
      host: '127.0.0.1',
      port: 0,
      public_url: null,
      allowed_hosts: [],
      allowed_origins: [],
      trusted_proxies: [],
      open_reading: true,
      api_key: null,
      tls: null,
      ws_port: ws_port ?? null,
      rate_per_minute: UNLIMITED,
    },
    cells: { max_package_bytes: MAX_PACKAGE, sign_uploads: true, validation_timeout_ms: 1000 },
    adminKey: ADMIN_KEY,
    logger: silentLogger,
    metrics: createMetrics(),
    clock: systemClock,
    certificate: source,
    healthPort,
  })
  t.after(() => server.close())
  return server
}

const made = async (t: TestContext): Promise<Certificate> =>
  selfSignedCertificate(await temporaryFolder(t), ['localhost', '127.0.0.1'], systemClock)

const sourceOf =
  (certificate: Certificate): CertificateSource =>
  async () =>
    certificate

/** The answer to a GET request for which only `ca` is trusted. */
async function ask(url: string, ca?: string): Promise<{ status: number | undefined; text: string }> {
  const outgoing = get(url, { agent: false, ...(ca === undefined ? {} : { ca }) })
  const [answer] = await once(outgoing, 'response')
  let text = ''
  for await (const part of answer.setEncoding('utf8')) text += part
  return { status: answer.statusCode, text }
}

test('with a certificate, the API speaks HTTPS and nothing else', async (t) => {
  const certificate = await made(t)
  const server = await listen(t, { source: sourceOf(certificate) })
  assert.match(server.url, /^https:\/\/127\.0\.0\.1:\d+$/)
  assert.deepEqual(await ask(`${server.url}/health`, certificate.cert), { status: 200, text: 'OK' })
  await assert.rejects(ask(`${server.url}/health`), /self-signed|unable to verify/)
  await assert.rejects(fetch(`${server.url.replace('https', 'http')}/health`))
  const old = connectTls({
    port: Number(new URL(server.url).port),
    host: '127.0.0.1',
    maxVersion: 'TLSv1.1',
    minVersion: 'TLSv1',
  })
  await assert.rejects(once(old, 'secureConnect'))
})

test('curl takes the certificate that the node made', async (t) => {
  const certificate = await made(t)
  const server = await listen(t, { source: sourceOf(certificate) })
  const file = join(await temporaryFolder(t), 'ca.pem')
  await writeFile(file, certificate.cert)
  const { port } = new URL(server.url)
  for (const host of ['127.0.0.1', 'localhost']) {
    const url = `https://${host}:${port}`
    const { stdout } = await run('curl', ['-sS', '--ipv4', '--cacert', file, `${url}/health`])
    assert.equal(stdout, 'OK')
  }
  await assert.rejects(run('curl', ['-sS', `${server.url}/health`]), /certificate/)
})

test('the origin of its own pages is https', async (t) => {
  const certificate = await made(t)
  const server = await listen(t, { source: sourceOf(certificate) })
  const post = async (origin: string): Promise<number | undefined> => {
    const headers = { Origin: origin, 'Content-Type': 'application/json' }
    const outgoing = request(`${server.url}/api/v1/cells/request`, {
      method: 'POST',
      agent: false,
      ca: certificate.cert,
      headers,
    })
    outgoing.end(JSON.stringify({ request_id: 'r', capability: 'add' }))
    const [answer] = await once(outgoing, 'response')
    answer.resume()
    return answer.statusCode
  }
  assert.equal(await post(server.url), 200)
  assert.equal(await post(server.url.replace('https', 'http')), 403)
})

test('a certificate that is replaced is used from then on; one that is broken is not', async (t) => {
  const [first, second] = [await made(t), await made(t)]
  let current: Certificate = first
  const server = await listen(t, { source: async () => current })
  const renewal = new CertificateRenewal(async () => current, first, silentLogger)
  const servers = [server.app.server as never]
  await assert.rejects(ask(`${server.url}/health`, second.cert))
  current = { cert: second.cert, key: first.key }
  await renewal.look(servers)
  assert.equal((await ask(`${server.url}/health`, first.cert)).status, 200)
  current = second
  await renewal.look(servers)
  assert.equal((await ask(`${server.url}/health`, second.cert)).status, 200)
  await assert.rejects(ask(`${server.url}/health`, first.cert))
})

test('without a certificate that can be used there is no start', async (t) => {
  const [one, other] = [await made(t), await made(t)]
  const wrong: CertificateSource[] = [
    async () => ({ cert: 'no certificate', key: one.key }),
    async () => ({ cert: one.cert, key: other.key }),
    async () => Promise.reject(new StartError('http.tls.cert: /c.pem cannot be read')),
  ]
  for (const source of wrong) {
    await assert.rejects(
      listen(t, { source }),
      (error) => error instanceof StartError && /^http\.tls/.test(error.message),
    )
  }
})

test('health and events have ports of their own, which serve the same', async (t) => {
  const { url, healthUrl, wsUrl } = await listen(t, { healthPort: 0, ws_port: 0 })
  assert.equal(new Set([url, healthUrl, wsUrl]).size, 3)
  for (const base of [url, healthUrl!, wsUrl!]) {
    assert.equal(await (await fetch(`${base}/health`)).text(), 'OK')
    assert.equal((await fetch(`${base}/ready`)).status, 200)
    assert.match(await (await fetch(`${base}/metrics`)).text(), /^process_start_time_seconds \d/m)
    assert.equal((await fetch(`${base}/api/v1/peers`)).status, 401)
    assert.equal((await fetch(`${base}/nowhere`)).status, 404)
  }
  const plain = await listen(t, {})
  assert.deepEqual([plain.healthUrl, plain.wsUrl], [undefined, undefined])
})

test('they have the certificate too', async (t) => {
  const certificate = await made(t)
  const { healthUrl, wsUrl } = await listen(t, { source: sourceOf(certificate), healthPort: 0, ws_port: 0 })
  for (const base of [healthUrl!, wsUrl!]) {
    assert.match(base, /^https:/)
    assert.equal((await ask(`${base}/health`, certificate.cert)).text, 'OK')
  }
})

test('events are told at any port', async (t) => {
  const server = await listen(t, { ws_port: 0 })
  for (const base of [server.url, server.wsUrl!]) {
    const socket = new WebSocket(`${base.replace('http', 'ws')}/ws`)
    const [message] = (await once(socket, 'message')) as [MessageEvent<string>]
    assert.equal((JSON.parse(message.data) as { type: string }).type, 'welcome')
    socket.close()
  }
})

test('a port that is taken is a reason not to start, and leaves nothing behind', async (t) => {
  const first = await listen(t, {})
  const taken = Number(new URL(first.url).port)
  await assert.rejects(listen(t, { healthPort: taken }), (error) => {
    assert.ok(error instanceof StartError)
    assert.match(error.message, /another program uses that port: .*, or choose another health\.port$/)
    return true
  })
  await assert.rejects(
    listen(t, { ws_port: taken }),
    /another program uses that port: .*, or choose another http\.ws_port$/,
  )
})

test('stopping closes connections that wait, on every port and with TLS', async (t) => {
  const certificate = await made(t)
  const server = await listen(t, { source: sourceOf(certificate), healthPort: 0 })
  const closed: Promise<unknown>[] = []
  for (const base of [server.url, server.healthUrl!]) {
    const port = Number(new URL(base).port)
    const silent = connect(port, '127.0.0.1')
    await once(silent, 'connect')
    const greeted = connectTls({ port, host: '127.0.0.1', ca: certificate.cert })
    await once(greeted, 'secureConnect')
    for (const socket of [silent, greeted]) {
      socket.on('error', () => undefined)
      socket.resume()
      closed.push(once(socket, 'close'))
    }
  }
  const forced = t.mock.method(server.app.server, 'closeAllConnections')
  await server.close()
  await Promise.all(closed)
  assert.equal(forced.mock.callCount(), 0, 'nothing was left when the grace ended')
})
