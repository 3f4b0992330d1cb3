import { existsSync } from 'node:fs'
import { join, relative } from 'node:path'
import type { NodeFile } from '../../protocol/node-file.ts'
import { adminKeyOrigin } from '../kernel/config/admin-key.ts'
import { defaultDataDir } from '../kernel/config/paths.ts'
import { paint, quote, safe } from './output.ts'
import { ownCertificateFile } from './own-certificate.ts'
import { targetFlags } from './target.ts'

/** What a person sees when the node is ready: where it listens, who it is, what to try next. */
export function welcome({ file, dataDir, env }: { file: NodeFile; dataDir: string; env: NodeJS.ProcessEnv }): string {
  const target = dataDir === defaultDataDir(env) ? '' : targetFlags({ dataDir })
  const command = commandName()
  const certificate = ownCertificateFile(dataDir)
  const isOwn = file.http_url.startsWith('https:') && existsSync(certificate)
  const curl = isOwn ? `curl -s --cacert ${quote(certificate)}` : 'curl -s'
  const request = `${curl} ${file.http_url}/api/v1/cells/request -H 'Content-Type: application/json' -H 'Prefer: wait=5' -d '{"request_id":"first","capability":"hello"}'`
  const rows = [
    ['HTTP API', file.http_url],
    ['reference', `${file.http_url}/docs`],
    ...file.p2p_addrs.map((address, i) => [i === 0 ? 'peers' : '', address]),
    ['provider id', file.provider_id],
    ['admin key', adminKeyOrigin(dataDir, env).replace(/^file /, '')],
  ]
  return [
    paint('bold', 'Cytoplex is ready.'),
    ...rows.map(([name = '', value = '']) => `  ${name.padEnd(12)} ${safe(value)}`),
    '',
    'Try next, in another terminal:',
    `  ${safe(request)}`,
    `  ${command} cell push FILE.wasm --version 1.0.0${target}`,
    `  ${command} status${target}`,
    'Ctrl-C stops the node.',
  ].join('\n')
}

/** How to call this program: in a checkout it is on no PATH. */
function commandName(): string {
  if (!import.meta.filename.endsWith('.ts')) return 'cytoplex'
  const launcher = join(import.meta.dirname, '..', '..', 'scripts', 'cytoplex')
  const path = relative('.', launcher)
  return quote(path.startsWith('..') ? launcher : path)
}
