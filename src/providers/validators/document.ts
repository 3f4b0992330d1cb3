import { createReadStream } from 'node:fs'
import { open } from 'node:fs/promises'
import { siblingOf } from '../../kernel/base/siblings.ts'
import type { Findings, PackageFacts, Validator } from '../../kernel/plugins/packages/validators.ts'
import { CONTROL, readDocument } from './document-text.ts'
import { refusal } from './refusal.ts'
import {
  checkSize,
  DEFAULT_TIMEOUT_MS,
  type OpenerProgram,
  SandboxedOpener,
  type ValidatorConfig,
} from './sandboxed.ts'

const MIB = 1024 * 1024

/** Bytes of a text: longer ones are data. */
export const MAX_DOCUMENT_BYTES = 64 * MIB

/** Bytes of a JSON document: it is parsed whole, and takes up to sixty times its size in memory. */
export const MAX_JSON_DOCUMENT_BYTES = 16 * MIB

const JSON_TYPE = 'application/json'

/** What parses JSON: a second and a gigabyte for 16 MiB of empty objects are not this process's to give. */
const JSON_OPENER: OpenerProgram = {
  program: siblingOf(import.meta.url, 'document-program'),
  memoryBytes: 512 * MIB,
}

/**
 * Opens packages of the format `document`: text in UTF-8 of a media type `text/*`, or JSON. Texts are read in this process, in pieces:
 * nothing is unpacked. JSON is parsed in the sandbox.
 *
 * Errors among the issues: `DOCUMENT_MEDIA_TYPE`, `DOCUMENT_TOO_LARGE`, `DOCUMENT_ENCODING`, `DOCUMENT_CONTROL`, `DOCUMENT_JSON`,
 * `DOCUMENT_TIMEOUT`; for JSON `SANDBOX_TIMEOUT`, `SANDBOX_MEMORY`.
 */
export const createDocumentValidator = (_signal: AbortSignal, config: ValidatorConfig): Validator =>
  new DocumentValidator(config)

class DocumentValidator implements Validator {
  readonly formats = ['document']
  readonly mediaType = 'text/plain'
  readonly #timeoutMs: number
  readonly #closing = new AbortController()
  readonly #json: SandboxedOpener

  constructor(config: ValidatorConfig) {
    this.#timeoutMs = config.timeout ?? DEFAULT_TIMEOUT_MS
    this.#json = new SandboxedOpener(JSON_OPENER, config)
  }

  /** Scripts and lists are text as well: only what was called a document is one. */
  recognises(head: Uint8Array, mediaType: string | undefined): boolean {
    if (mediaType === undefined || !isDocument(essence(mediaType))) return false
    try {
      // A character may be cut at the end of the head, so the decoder is told that more follows.
      return !CONTROL.test(new TextDecoder('utf-8', { fatal: true }).decode(head, { stream: true }))
    } catch {
      return false
    }
  }

  async validate(source: string | Uint8Array, facts: PackageFacts): Promise<Findings> {
    const { size, mediaType } = facts
    if (this.#closing.signal.aborted) throw new Error('the validator is closed')
    await requireSize(source, size)
    const type = essence(mediaType)
    if (!isDocument(type)) {
      return refusal(
        'DOCUMENT_MEDIA_TYPE',
        `media type ${JSON.stringify(mediaType.slice(0, 100))}, text/* and ${JSON_TYPE} are allowed`,
      )
    }
    const most = type === JSON_TYPE ? MAX_JSON_DOCUMENT_BYTES : MAX_DOCUMENT_BYTES
    if (size > most) return refusal('DOCUMENT_TOO_LARGE', `${size} bytes, at most ${most} are allowed for ${type}`)
    return type === JSON_TYPE ? this.#json.open(source, facts) : this.#readText(source)
  }

  async #readText(source: string | Uint8Array): Promise<Findings> {
    const timeout = AbortSignal.timeout(this.#timeoutMs)
    const signal = AbortSignal.any([timeout, this.#closing.signal])
    try {
      return await readDocument(chunksOf(source, signal), false)
    } catch (error) {
      if (this.#closing.signal.aborted) throw this.#closing.signal.reason
      if (timeout.aborted) return refusal('DOCUMENT_TIMEOUT', `not read within ${this.#timeoutMs} ms`)
      throw error
    }
  }

  async close(): Promise<void> {
    this.#closing.abort(new Error('the validator was closed'))
    await this.#json.close()
  }
}

/** A media type without its parameters. */
const essence = (mediaType: string): string => mediaType.split(';', 1)[0]?.trim().toLowerCase() ?? ''

const isDocument = (type: string): boolean => type === JSON_TYPE || /^text\/[a-z0-9][a-z0-9!#$&^_.+-]*$/.test(type)

async function requireSize(source: string | Uint8Array, expected: number): Promise<void> {
  if (typeof source !== 'string') return checkSize(source, expected)
  const file = await open(source)
  try {
    const { size } = await file.stat()
    if (size !== expected) throw new Error(`${source} has ${size} bytes, expected ${expected}`)
  } finally {
    await file.close()
  }
}

/** Pieces, between which other work of this process gets its turn. */
async function* chunksOf(source: string | Uint8Array, signal: AbortSignal): AsyncGenerator<Uint8Array> {
  if (typeof source === 'string') yield* createReadStream(source, { signal, highWaterMark: MIB })
  else {
    for (let at = 0; at < source.length; at += MIB) {
      yield source.subarray(at, at + MIB)
      await new Promise(setImmediate)
      signal.throwIfAborted()
    }
  }
}
