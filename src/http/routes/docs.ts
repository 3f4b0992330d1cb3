import { fastify } from 'fastify'
import { COMMON, sendText } from '../respond.ts'
import { type Route, route } from '../route.ts'

const shared = { method: 'GET', access: 'open', family: 'system', bodyLimit: 0, hidden: true } as const

/** Everything comes from this node, and the page can reach nothing else. The viewer puts its style into the page itself. */
const PAGE_POLICY = [
  ...COMMON,
  'Cache-Control',
  'no-cache',
  'Content-Security-Policy',
  [
    "default-src 'none'",
    "script-src 'self'",
    "style-src 'self' 'unsafe-inline'",
    "img-src 'self' data:",
    "font-src 'self' data:",
    "connect-src 'self'",
    "base-uri 'none'",
    "form-action 'none'",
    "frame-ancestors 'none'",
  ].join('; '),
]

const PAGE = `<!doctype html>
<html lang="en">
  <head>
    <meta charset="utf-8">
    <meta name="viewport" content="width=device-width, initial-scale=1">
    <title>Cytoplex API</title>
    <link rel="icon" href="data:,">
  </head>
  <body>
    <div id="app"><noscript>This page needs JavaScript. The same content is at <a href="/openapi.json">/openapi.json</a>.</noscript></div>
    <script src="/docs/viewer.js"></script>
    <script src="/docs/start.js"></script>
  </body>
</html>
`

/** The viewer's own fonts, telemetry, assistant and request proxy live elsewhere on the network: all are off. */
const OPTIONS = {
  url: '/openapi.json',
  withDefaultFonts: false,
  telemetry: false,
  agent: { disabled: true },
  mcp: { disabled: true },
  proxyUrl: '',
  hideClientButton: true,
  showDeveloperTools: 'never',
  documentDownloadType: 'json',
}
const START = `Scalar.createApiReference('#app', ${JSON.stringify(OPTIONS)})\n`

/** A browsable reference of this API, which works without any other host. */
export const docsRoutes: readonly Route[] = [
  route({
    ...shared,
    path: '/docs',
    summary: 'The API reference',
    answers: { 200: { description: 'A page', mediaType: 'text/html' } },
    handler: () => (request, reply) =>
      sendText(request, reply, 200, 'text/html; charset=utf-8', PAGE, undefined, PAGE_POLICY),
  }),
  route({
    ...shared,
    path: '/docs/start.js',
    summary: 'Starts the viewer',
    answers: { 200: { description: 'A script', mediaType: 'text/javascript' } },
    handler: () => (request, reply) =>
      sendText(request, reply, 200, 'text/javascript; charset=utf-8', START, undefined, PAGE_POLICY),
  }),
  route({
    ...shared,
    path: '/docs/viewer.js',
    summary: 'The viewer',
    answers: { 200: { description: 'A script', mediaType: 'text/javascript' } },
    handler: () => {
      let viewer: Promise<Buffer> | undefined
      return async (request, reply) => {
        viewer ??= loadViewer()
        sendText(request, reply, 200, 'text/javascript; charset=utf-8', await viewer, undefined, PAGE_POLICY)
      }
    },
  }),
]

/** The viewer's script (several megabytes) is taken out of its plugin on first use, so that a node without visitors never loads it. */
async function loadViewer(): Promise<Buffer> {
  const { default: reference } = await import('@scalar/fastify-api-reference')
  const app = fastify()
  await app.register(reference, { routePrefix: '/docs', configuration: { url: OPTIONS.url } })
  const { rawPayload } = await app.inject('/docs/js/scalar.js')
  await app.close()
  return rawPayload
}
