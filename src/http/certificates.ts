import type { Server } from 'node:https'
import { createSecureContext, getCACertificates, setDefaultCACertificates } from 'node:tls'
import { errorMessage, StartError } from '../kernel/base/errors.ts'
import type { Logger } from '../kernel/telemetry/logger.ts'

/** PEM texts of a certificate, with those that vouch for it, and its private key. */
export interface Certificate {
  readonly cert: string
  readonly key: string
}

/** Where the listeners' certificate comes from. It is asked again and again: what it says may change. Rejects when there is none. */
export type CertificateSource = () => Promise<Certificate>

/** Milliseconds between two looks for another certificate: files are replaced, and what the node made itself ends. */
const LOOK_MS = 60_000

/** The certificate that listeners start with. Throws `StartError` for one that cannot be used. */
export async function firstCertificate(source: CertificateSource): Promise<Certificate> {
  try {
    const certificate = await source()
    createSecureContext(certificate)
    return certificate
  } catch (error) {
    throw error instanceof StartError ? error : new StartError(`http.tls: ${errorMessage(error)}`, { cause: error })
  }
}

/** Gives listeners the newer certificate when there is one. One that cannot be used is left alone: the older one may last a while. */
export class CertificateRenewal {
  readonly #source: CertificateSource
  readonly #logger: Logger
  #current: Certificate
  #timer: NodeJS.Timeout | undefined

  constructor(source: CertificateSource, current: Certificate, logger: Logger) {
    this.#source = source
    this.#current = current
    this.#logger = logger
  }

  start(servers: readonly Pick<Server, 'setSecureContext'>[]): void {
    this.#timer = setInterval(() => void this.look(servers), LOOK_MS)
    this.#timer.unref()
  }

  stop(): void {
    clearInterval(this.#timer)
  }

  /** Never throws. */
  async look(servers: readonly Pick<Server, 'setSecureContext'>[]): Promise<void> {
    try {
      const next = await this.#source()
      if (next.cert === this.#current.cert && next.key === this.#current.key) return
      createSecureContext(next)
      for (const server of servers) server.setSecureContext(next)
      this.#current = next
      this.#logger.info('the certificate for HTTPS was replaced')
    } catch (error) {
      this.#logger.warn({ reason: errorMessage(error) }, 'there is no newer certificate for HTTPS that can be used')
    }
  }
}

/** From now on `fetch` of this process takes what this certificate vouches for, as well. */
export const trustCertificate = (pem: string): void => setDefaultCACertificates([...getCACertificates('default'), pem])
