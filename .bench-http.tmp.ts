import { fastify } from 'fastify'
import { CapabilityRequest } from './protocol/cells.ts'
import { startHttp } from './src/http/server.ts'
import { createLogger } from './src/kernel/telemetry/logger.ts'
import { createMetrics } from './src/kernel/telemetry/metrics.ts'
import type { ProviderNode } from './src/node/api.ts'
const cells = new Map<string, {before:string, after:string}>()
const pad = 'x'.repeat(1100)
for (let i=0;i<10000;i++) cells.set(`cap-${i}`, { before: `{"cell_id":"${i}","pad":"${pad}","download_url":"`, after: `/api/v1/cells/packages/sha256:${i}"}` })
const node = { answerLocally: (q: {name:string}) => cells.get(q.name) } as unknown as ProviderNode
if (process.argv[2] === 'ours') {
  const s = await startHttp(node, { config: {host:'127.0.0.1',port:7101,public_url:null,allowed_hosts:[],allowed_origins:[],trusted_proxies:[]}, cells: {max_package_bytes:1e9,sign_uploads:true,validation_timeout_ms:1000}, adminKey:'k', logger: createLogger({level:'info'}), metrics: createMetrics() })
  console.log(s.url)
} else {
  const app = fastify()
  app.post('/echo', { schema: { body: JSON.parse(JSON.stringify(CapabilityRequest)) } }, (req, reply) => { reply.send(req.body) })
  await app.listen({ host:'127.0.0.1', port: 7102 })
  console.log('echo')
}
process.on('SIGTERM', () => process.exit(0))
