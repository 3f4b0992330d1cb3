import { toHex } from '../kernel/base/bytes.ts'

/**
 * A form as one `Blob`, with its media type. The `FormData` of Node.js reads a file ahead of the network, whole if it has to, and throws
 * where nobody can catch it when a node refuses before it has read everything.
 */
export function multipart(fields: Readonly<Record<string, string>>, file?: { name: string; content: Blob }) {
  const boundary = `cytoplex-${toHex(crypto.getRandomValues(new Uint8Array(16)))}`
  const head = (disposition: string) => `--${boundary}\r\nContent-Disposition: form-data; ${disposition}\r\n`
  const parts: BlobPart[] = Object.entries(fields).map(([name, text]) => `${head(`name="${name}"`)}\r\n${text}\r\n`)
  if (file !== undefined) {
    const { name, content } = file
    parts.push(
      `${head(`name="${name}"; filename="package"`)}Content-Type: application/octet-stream\r\n\r\n`,
      content,
      '\r\n',
    )
  }
  const type = `multipart/form-data; boundary=${boundary}`
  return { type, body: new Blob([...parts, `--${boundary}--\r\n`]) }
}
