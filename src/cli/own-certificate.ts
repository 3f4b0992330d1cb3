import { existsSync, readFileSync, renameSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { makeDirectory } from '../kernel/base/make-directory.ts'

/** The certificate that a node made itself, for clients on the same machine (`curl --cacert`). It is public. */
export const ownCertificateFile = (dataDir: string): string => join(dataDir, 'http-certificate.pem')

/** Writes it where it is another one than before. Readers see the whole file or none. */
export function writeOwnCertificate(file: string, pem: string): void {
  if (existsSync(file) && readFileSync(file, 'utf8') === pem) return
  makeDirectory(join(file, '..'))
  const partial = `${file}.${process.pid}.tmp`
  writeFileSync(partial, pem, { mode: 0o644 })
  renameSync(partial, file)
}
