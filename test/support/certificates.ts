import 'reflect-metadata'
import { KeyObject, randomBytes, webcrypto } from 'node:crypto'
import {
  BasicConstraintsExtension,
  KeyUsageFlags,
  KeyUsagesExtension,
  SubjectAlternativeNameExtension,
  X509CertificateGenerator,
} from '@peculiar/x509'
import type { Certificate } from './receiver.ts'

const ALGORITHM = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' }
const DAY_MS = 24 * 60 * 60 * 1000
const crypto = webcrypto as Crypto

const newKeys = async () => (await webcrypto.subtle.generateKey(ALGORITHM, true, ['sign', 'verify'])) as CryptoKeyPair
const pemOf = (certificate: { toString(format: 'pem'): string }): string => `${certificate.toString('pem')}\n`
const validity = (from: number, to: number) => ({
  serialNumber: `00${randomBytes(8).toString('hex')}`,
  notBefore: new Date(Date.now() + from * DAY_MS),
  notAfter: new Date(Date.now() + to * DAY_MS),
  signingAlgorithm: ALGORITHM,
})

/** A certificate authority of a test. */
export interface Authority {
  /** PEM text of its certificate. */
  readonly cert: string
  /** A certificate for a host name, in force until so many days from now. */
  issue(name: string, days?: number): Promise<Certificate>
}

export async function newAuthority(): Promise<Authority> {
  const keys = await newKeys()
  const name = `CN=Test authority ${randomBytes(4).toString('hex')}`
  const usages = new KeyUsagesExtension(KeyUsageFlags.keyCertSign, true)
  const extensions = [new BasicConstraintsExtension(true, undefined, true), usages]
  const own = await X509CertificateGenerator.createSelfSigned({ ...validity(-2, 2), name, keys, extensions }, crypto)
  return {
    cert: pemOf(own),
    async issue(host, days = 1) {
      const { publicKey, privateKey } = await newKeys()
      const subject = { subject: `CN=${host}`, issuer: name, publicKey, signingKey: keys.privateKey }
      const names = [new SubjectAlternativeNameExtension([{ type: 'dns', value: host }])]
      const made = await X509CertificateGenerator.create(
        { ...validity(-2, days), ...subject, extensions: names },
        crypto,
      )
      const key = KeyObject.from(privateKey as unknown as webcrypto.CryptoKey)
      return { cert: pemOf(made), key: String(key.export({ type: 'pkcs8', format: 'pem' })) }
    },
  }
}
