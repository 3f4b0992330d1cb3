import 'reflect-metadata'
import { KeyObject, randomBytes, webcrypto, X509Certificate } from 'node:crypto'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import {
  ExtendedKeyUsage,
  ExtendedKeyUsageExtension,
  KeyUsageFlags,
  KeyUsagesExtension,
  SubjectAlternativeNameExtension,
  X509CertificateGenerator,
} from '@peculiar/x509'
import { type Static, Type } from 'typebox'
import { checkerOf } from '../base/checker.ts'
import type { Clock } from '../base/clock.ts'
import { StartError } from '../base/errors.ts'
import { readPrivateJson, replacePrivateFile } from './private-file.ts'

const DAY_MS = 24 * 60 * 60 * 1000
/** Milliseconds that a certificate is in force: browsers take none that lasts longer than 398 days. */
const LIFETIME_MS = 365 * DAY_MS
/** Milliseconds before its end at which it is replaced. */
const RENEWAL_MS = 30 * DAY_MS
/** Milliseconds that it is in force already when it is made, for clients whose clocks are behind. */
const HEAD_START_MS = DAY_MS
/** A key that every client takes, and signs in a tenth of the time of RSA. */
const ALGORITHM = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' }

/** Tells addresses from host names, which have no colon and do not end in a number. */
const ADDRESS = /:|^\d+(\.\d+){3}$/

const CertificateFile = Type.Object(
  {
    format: Type.Literal(1),
    names: Type.Array(Type.String()),
    not_after: Type.Integer(),
    cert: Type.String(),
    key: Type.String(),
  },
  { additionalProperties: false },
)
type CertificateFile = Static<typeof CertificateFile>
const schema = checkerOf(CertificateFile)

/** PEM texts of a certificate and its private key. */
export interface KeptCertificate {
  readonly cert: string
  readonly key: string
}

/**
 * The certificate for HTTPS that the node makes itself, for these host names and addresses: kept in the key directory `dir`, made anew
 * when there is none, when less than 30 days are left, or when it is for other names. Throws `StartError` for a file that is corrupt or
 * that others may read.
 */
export async function selfSignedCertificate(
  dir: string,
  names: readonly string[],
  clock: Clock,
): Promise<KeptCertificate> {
  const path = join(dir, 'http-certificate.json')
  const kept = existsSync(path) ? readPrivateJson(path, schema) : undefined
  if (kept !== undefined && kept.not_after - clock.now() > RENEWAL_MS && isFor(kept, names)) return checked(kept, path)
  const made = await makeCertificate(names, clock.now())
  replacePrivateFile(path, JSON.stringify(made))
  return made
}

const isFor = (kept: CertificateFile, names: readonly string[]): boolean =>
  kept.names.length === names.length && names.every((name) => kept.names.includes(name))

function checked(kept: CertificateFile, path: string): KeptCertificate {
  try {
    new X509Certificate(kept.cert)
    return kept
  } catch {
    throw new StartError(`${path} is corrupt: it holds no certificate; remove it, and another one is made`)
  }
}

async function makeCertificate(names: readonly string[], now: number): Promise<CertificateFile> {
  const keys = await webcrypto.subtle.generateKey(ALGORITHM, true, ['sign', 'verify'])
  const notAfter = now + LIFETIME_MS
  // The highest bit is none: a serial number is positive.
  const serial = randomBytes(16)
  serial[0]! &= 0x7f
  const certificate = await X509CertificateGenerator.createSelfSigned(
    {
      serialNumber: serial.toString('hex'),
      name: 'CN=Cytoplex node',
      notBefore: new Date(now - HEAD_START_MS),
      notAfter: new Date(notAfter),
      signingAlgorithm: ALGORITHM,
      // The types of the two differ in what newer keys are for.
      keys: keys as CryptoKeyPair,
      extensions: [
        new SubjectAlternativeNameExtension(
          names.map((name) => ({ type: ADDRESS.test(name) ? ('ip' as const) : ('dns' as const), value: name })),
        ),
        new KeyUsagesExtension(KeyUsageFlags.digitalSignature, true),
        new ExtendedKeyUsageExtension([ExtendedKeyUsage.serverAuth]),
      ],
    },
    webcrypto as Crypto,
  )
  const key = KeyObject.from(keys.privateKey).export({ type: 'pkcs8', format: 'pem' })
  return {
    format: 1,
    names: [...names],
    not_after: notAfter,
    cert: `${certificate.toString('pem')}\n`,
    key: String(key),
  }
}
