import { randomBytes } from 'node:crypto'
import { request } from 'node:http'
import { Readable } from 'node:stream'
import { text } from 'node:stream/consumers'
import { pipeline } from 'node:stream/promises'
import { createGzip } from 'node:zlib'
import { ADMIN_KEY, UPLOAD_TAIL, UPLOAD_TYPE, uploadHead } from '../upload-body.ts'

const MIB = 1024 * 1024
const BLOCK = 512

/**
 * Uploads a `qcc` archive with one file of `bytes` bytes, made while it is sent: gzip without compression, so that its package is as
 * large. Returns the bytes of the package, and the milliseconds until the node had registered it.
 */
async function upload({ port, bytes }: { port: number; bytes: number }): Promise<{ size: number; ms: number }> {
  let size = 0
  const since = performance.now()
  const { promise: answered, resolve, reject } = Promise.withResolvers<{ status: number; body: string }>()
  const sending = request({
    host: '127.0.0.1',
    port,
    method: 'POST',
    path: '/api/v1/repository/cells',
    headers: { 'X-API-Key': ADMIN_KEY, 'Content-Type': UPLOAD_TYPE },
  })
  sending.on('error', reject)
  sending.on('response', (response) => {
    text(response).then((body) => resolve({ status: response.statusCode ?? 0, body }), reject)
  })
  const metadata = {
    cell_type: 'bench-archive',
    version: '1.0.0',
    packaging_format: 'qcc',
    capabilities: [{ name: 'bench.archive', version: '1.0.0' }],
  }
  async function* body(packed: AsyncIterable<Buffer>) {
    yield uploadHead(metadata)
    for await (const chunk of packed) {
      size += chunk.length
      yield chunk
    }
    yield UPLOAD_TAIL
  }
  const sent = pipeline(Readable.from(archive(bytes)), createGzip({ level: 0, chunkSize: MIB }), body, sending)
  const [{ status, body: answer }] = await Promise.all([answered, sent])
  if (status !== 201) throw new Error(`an answer with status ${status}: ${answer}`)
  return { size, ms: performance.now() - since }
}

function* archive(bytes: number): Generator<Buffer> {
  const manifest = Buffer.from('{"name":"bench-archive"}')
  yield header('manifest.json', manifest.length)
  yield padded(manifest)
  yield header('weights.bin', bytes)
  const piece = randomBytes(MIB)
  for (let at = 0; at < bytes; at += MIB) yield piece
  yield Buffer.alloc(2 * BLOCK)
}

const padded = (bytes: Buffer): Buffer => Buffer.concat([bytes, Buffer.alloc((BLOCK - (bytes.length % BLOCK)) % BLOCK)])

/** A header of a tar archive for a regular file (POSIX `ustar`). */
function header(name: string, size: number): Buffer {
  const block = Buffer.alloc(BLOCK)
  const octal = (value: number, at: number, width: number) =>
    block.write(`${value.toString(8).padStart(width - 1, '0')}\0`, at, 'latin1')
  block.write(name, 0, 'latin1')
  octal(0o644, 100, 8)
  octal(0, 108, 8)
  octal(0, 116, 8)
  octal(size, 124, 12)
  octal(0, 136, 12)
  block.write('0', 156, 'latin1')
  block.write('ustar\x0000', 257, 'latin1')
  // The checksum counts itself as spaces.
  block.fill(' ', 148, 156)
  const sum = block.reduce((total, byte) => total + byte, 0)
  block.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148, 'latin1')
  return block
}

export const commands = { upload }
