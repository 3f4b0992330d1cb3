import type { IncomingMessage } from 'node:http'
import type { Readable } from 'node:stream'
import { Busboy, type BusboyInstance } from '@fastify/busboy'
import { SemVer } from '../../protocol/fields.ts'
import { LIMITS } from '../../protocol/limits.ts'
import { CellMetadata, CellUpdateMetadata } from '../../protocol/repository.ts'
import { errorMessage, ProviderError } from '../kernel/base/errors.ts'
import type { StagedPackage } from '../node/api.ts'
import { parseJson } from './json-body.ts'
import { type Check, compileCheck } from './validation.ts'

/** A whole upload, its metadata checked. The package belongs to whoever receives this: discard it, or register it. */
export interface Upload {
  readonly metadata: CellMetadata
  readonly package: StagedPackage
  /** Parsed, otherwise unchecked. */
  readonly manifest?: unknown
  readonly manifestSignature?: string
}

/** A whole update: the package is there if one was sent. */
export interface UpdateUpload extends Omit<Upload, 'metadata' | 'package'> {
  readonly metadata: CellUpdateMetadata
  readonly version?: string
  readonly package?: StagedPackage
}

const PACKAGE_PART = 'cell_package'

/** What a multipart body consists of. */
interface Form {
  /** Bytes of each part that is kept in memory. */
  readonly texts: Readonly<Record<string, number>>
  /** Every part. */
  readonly parts: readonly string[]
  readonly required: readonly string[]
  readonly checkMetadata: Check
}

const TEXTS = {
  metadata: LIMITS.jsonBodyBytes,
  manifest: LIMITS.jsonBodyBytes,
  manifest_signature: LIMITS.manifestSignatureBytes,
}
const REGISTRATION: Form = {
  texts: TEXTS,
  parts: [...Object.keys(TEXTS), PACKAGE_PART],
  required: ['metadata', PACKAGE_PART],
  checkMetadata: compileCheck(CellMetadata, 'metadata'),
}
/** Bytes of a version, with white space around it. */
const VERSION_BYTES = 256
const UPDATE: Form = {
  texts: { ...TEXTS, version: VERSION_BYTES },
  parts: [...Object.keys(TEXTS), 'version', PACKAGE_PART],
  required: ['metadata'],
  checkMetadata: compileCheck(CellUpdateMetadata, 'metadata'),
}
/** Bytes that boundaries, part headers and text parts can add to a package. */
const OVERHEAD = 1024 * 1024
/** Bytes between the parser and the package's file. */
const BUFFERED = 256 * 1024

const checkVersion = compileCheck(SemVer, 'version')
const invalid = (message: string): ProviderError => new ProviderError('PROV_001', message)
const tooLarge = (what: string, limit: number): ProviderError =>
  new ProviderError('PROV_001', `${what} is larger than ${limit} bytes`, { status: 413 })

type Stage = (bytes: AsyncIterable<Uint8Array>) => Promise<StagedPackage>

/** Reads the multipart body of "Register New Cell"; see {@link receiveForm}. */
export async function receiveUpload(request: IncomingMessage, stage: Stage, maxPackageBytes: number): Promise<Upload> {
  const { texts, staged } = await receiveForm(request, REGISTRATION, stage, maxPackageBytes)
  return { ...signedParts(texts), metadata: texts.get('metadata') as CellMetadata, package: staged! }
}

/** Reads the multipart body of "Update Cell"; see {@link receiveForm}. */
export async function receiveUpdate(
  request: IncomingMessage,
  stage: Stage,
  maxPackageBytes: number,
): Promise<UpdateUpload> {
  const { texts, staged } = await receiveForm(request, UPDATE, stage, maxPackageBytes)
  return {
    ...signedParts(texts),
    metadata: texts.get('metadata') as CellUpdateMetadata,
    ...(texts.has('version') ? { version: texts.get('version') as string } : {}),
    ...(staged === undefined ? {} : { package: staged }),
  }
}

const signedParts = (texts: ReadonlyMap<string, unknown>): Pick<Upload, 'manifest' | 'manifestSignature'> =>
  texts.has('manifest')
    ? { manifest: texts.get('manifest'), manifestSignature: texts.get('manifest_signature') as string }
    : {}

/**
 * Reads a multipart body (RFC 7578). The package goes to `stage` while it arrives, no faster than it is
 * written; parts may come in any order; file names are for nothing, and may not lead anywhere.
 *
 * Throws `PROV_001` for unknown, repeated, missing, unreadable and oversized (413) parts and for a body that ends early, and
 * whatever `stage` throws. A package that was staged by then is discarded.
 */
async function receiveForm(
  request: IncomingMessage,
  form: Form,
  stage: Stage,
  maxPackageBytes: number,
): Promise<{ texts: ReadonlyMap<string, unknown>; staged: StagedPackage | undefined }> {
  if (Number(request.headers['content-length'] ?? 0) > maxPackageBytes + OVERHEAD) {
    throw tooLarge(PACKAGE_PART, maxPackageBytes)
  }
  const parser = openParser(request, form)
  const streams = new Map<string, Readable>()
  const texts = new Map<string, unknown>()
  const reading: Promise<unknown>[] = []
  let staging: Promise<StagedPackage> | undefined
  const { promise: failed, reject: fail } = Promise.withResolvers<never>()
  const { promise: parsed, resolve: finish } = Promise.withResolvers<void>()
  // Who waits for the parts sees a failure; one that comes later has nobody left to tell.
  failed.catch(() => undefined)

  parser.on('file', (name: string | undefined, stream: Readable, fileName: string | undefined) => {
    // A reader that leaves early aborts its stream; why it left is what it throws itself.
    stream.on('error', (error) => {
      if (error.name !== 'AbortError') fail(error)
    })
    const problem = unexpectedPart(name, form, streams) ?? badFileName(fileName)
    if (problem !== undefined || name === undefined) {
      stream.resume()
      fail(problem)
      return
    }
    streams.set(name, stream)
    if (name === PACKAGE_PART) {
      staging = stage(bounded(stream, PACKAGE_PART, maxPackageBytes))
      staging.catch(fail)
    } else {
      const read = readText(stream, name, form).then((value) => texts.set(name, value))
      read.catch(fail)
      reading.push(read)
    }
  })
  parser.on('partsLimit', () =>
    fail(invalid(`more than ${form.parts.length} parts, allowed are ${form.parts.join(', ')}`)),
  )
  parser.on('error', (error) => fail(invalid(`the multipart body cannot be read: ${errorMessage(error)}`)))
  parser.on('finish', finish)
  request.on('error', fail)
  request.on('close', () => {
    if (!request.complete) fail(invalid('the upload ended before its body was complete'))
  })
  request.pipe(parser)

  try {
    await Promise.race([parsed, failed])
    for (const name of form.required) if (!streams.has(name)) throw invalid(`the part ${name} is missing`)
    if (streams.has('manifest') !== streams.has('manifest_signature')) {
      throw invalid('the parts manifest and manifest_signature only come together')
    }
    await Promise.race([Promise.all(reading), failed])
    return { texts, staged: await Promise.race([staging, failed]) }
  } catch (error) {
    request.unpipe(parser)
    // Who still sends can only read the answer after that; the body's deadline bounds it.
    request.resume()
    for (const stream of streams.values()) stream.destroy(error as Error)
    const staged = await staging?.catch(() => undefined)
    await staged?.discard()
    throw error
  }
}

function openParser(request: IncomingMessage, { parts }: Form): BusboyInstance {
  const contentType = request.headers['content-type'] ?? ''
  try {
    return new Busboy({
      headers: { ...request.headers, 'content-type': contentType },
      // Every part is a stream of bytes here: decoding them as text would hide invalid UTF-8.
      isPartAFile: () => true,
      preservePath: true,
      highWaterMark: BUFFERED,
      fileHwm: BUFFERED,
      limits: { parts: parts.length, headerPairs: 16, headerSize: 8192 },
    })
  } catch (error) {
    throw invalid(`Content-Type ${shown(contentType)} cannot be read: ${errorMessage(error)}`)
  }
}

function unexpectedPart(
  name: string | undefined,
  { parts }: Form,
  seen: ReadonlyMap<string, unknown>,
): ProviderError | undefined {
  if (name === undefined) return invalid(`a part has no name, allowed are ${parts.join(', ')}`)
  if (!parts.includes(name)) return invalid(`found a part ${shown(name)}, allowed are ${parts.join(', ')}`)
  return seen.has(name) ? invalid(`the part ${name} comes twice`) : undefined
}

/** Characters of a file name: what file systems have room for. */
const FILE_NAME_LENGTH = 255
/** A name without separators of any system and without control characters. */
const FILE_NAME = /^[^/\\\p{Cc}]+$/u

/** Nobody writes to a file of that name; but who sends a path means to. */
function badFileName(name: string | undefined): ProviderError | undefined {
  if (name === undefined || name === '') return undefined
  const isPlain = FILE_NAME.test(name) && name !== '.' && name !== '..' && !/^[a-z]:/i.test(name)
  if (isPlain && name.length <= FILE_NAME_LENGTH) return undefined
  return invalid(`found a file name ${shown(name)}, allowed are ${FILE_NAME_LENGTH} characters and no path`)
}

/** Characters that a message shows of what somebody sent. */
const SHOWN = 80
const shown = (text: string): string => JSON.stringify(text.length > SHOWN ? `${text.slice(0, SHOWN)}…` : text)

async function* bounded(stream: Readable, what: string, limit: number): AsyncIterable<Uint8Array> {
  let bytes = 0
  for await (const chunk of stream as AsyncIterable<Uint8Array>) {
    bytes += chunk.length
    if (bytes > limit) throw tooLarge(what, limit)
    yield chunk
  }
}

async function readText(stream: Readable, name: string, { texts, checkMetadata }: Form): Promise<unknown> {
  const chunks: Uint8Array[] = []
  for await (const chunk of bounded(stream, name, texts[name]!)) chunks.push(chunk)
  const bytes = Buffer.concat(chunks)
  if (name === 'manifest_signature') return bytes.toString('latin1').trim()
  const value = name === 'version' ? bytes.toString('latin1').trim() : parseJson(bytes, name)
  const problem = name === 'metadata' ? checkMetadata(value) : name === 'version' ? checkVersion(value) : undefined
  if (problem !== undefined) throw problem
  return value
}
