import type { FastifyRequest } from 'fastify'
import { ProviderError } from '../kernel/base/errors.ts'
import { parseStrictJson, StrictJsonError } from '../kernel/base/strict-json.ts'

/** Parses JSON that came over HTTP; `name` says in the message which part it was. Throws `PROV_001`. */
export function parseJson(bytes: Uint8Array, name: string): unknown {
  try {
    return parseStrictJson(bytes)
  } catch (error) {
    if (error instanceof StrictJsonError) throw new ProviderError('PROV_001', `${name}: ${error.message}`)
    throw error
  }
}

/** A Fastify content-type parser for JSON bodies; `received` is told that the body is here. */
export function jsonParser(received: (request: FastifyRequest) => void) {
  return (request: FastifyRequest, body: Buffer, done: (error: Error | null, value?: unknown) => void): void => {
    received(request)
    let value: unknown
    try {
      value = parseJson(body, 'body')
    } catch (error) {
      done(error as Error)
      return
    }
    done(null, value)
  }
}
