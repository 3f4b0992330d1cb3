import { readFile } from 'node:fs/promises'
import { hostname } from 'node:os'
import type { CertificateSource } from '../http/certificates.ts'
import type { Clock } from '../kernel/base/clock.ts'
import { errorMessage, StartError } from '../kernel/base/errors.ts'
import type { Config } from '../kernel/config/schema.ts'
import { ownCertificateFile, writeOwnCertificate } from './own-certificate.ts'

/** Where the certificate of `http.tls` comes from; undefined for plain HTTP. */
export function certificateSource(
  config: Pick<Config, 'http' | 'key_dir' | 'data_dir'>,
  clock: Clock,
): CertificateSource | undefined {
  const { tls } = config.http
  if (tls === null) return undefined
  if ('cert' in tls) {
    return async () => ({ cert: await read(tls.cert, 'cert'), key: await read(tls.key, 'key') })
  }
  const names = certificateNames(config.http, hostname())
  const file = ownCertificateFile(config.data_dir)
  return async () => {
    const { selfSignedCertificate } = await import('../kernel/identity/http-certificate.ts')
    const { cert, key } = await selfSignedCertificate(config.key_dir, names, clock)
    writeOwnCertificate(file, cert)
    return { cert, key }
  }
}

/** Host names and addresses that clients may reach this node by: this machine's, and the configured ones. */
export function certificateNames(
  { host, public_url, allowed_hosts }: Pick<Config['http'], 'host' | 'public_url' | 'allowed_hosts'>,
  machine: string,
): string[] {
  const configured = allowed_hosts.map((name) => name.replace(/:\d+$/, ''))
  const published = public_url === null ? [] : [(URL.parse(public_url)?.hostname ?? '').replace(/^\[|\]$/g, '')]
  const isAny = host === '0.0.0.0' || host === '::'
  const all = ['localhost', '127.0.0.1', '::1', ...(isAny ? [] : [host]), machine, ...configured, ...published]
  return [...new Set(all.map((name) => name.toLowerCase()))].filter((name) => /^[0-9a-z.:_-]{1,253}$/.test(name)).sort()
}

async function read(path: string, field: string): Promise<string> {
  try {
    return await readFile(path, 'utf8')
  } catch (error) {
    throw new StartError(`http.tls.${field}: ${path} cannot be read: ${errorMessage(error)}`)
  }
}
