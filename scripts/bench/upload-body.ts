import { capabilityName, cellName } from './cells.ts'

/** The administrator's key of every node of a benchmark. */
export const ADMIN_KEY = 'benchmark-administrator-key'

const BOUNDARY = 'cytoplex-benchmark-boundary'

export const UPLOAD_TYPE = `multipart/form-data; boundary=${BOUNDARY}`
/** What follows the package. */
export const UPLOAD_TAIL = `\r\n--${BOUNDARY}--\r\n`

/** What comes before the package in the body of "Register New Cell". */
export const uploadHead = (metadata: object): string =>
  part('metadata', '', 'application/json') + JSON.stringify(metadata) + part('cell_package', '; filename="p"')

/** The whole HTTP request of "Register New Cell" for a package. */
export function uploadRequest(port: number, number: number, module: Buffer): Buffer {
  const metadata = {
    cell_type: cellName(number),
    version: '1.0.0',
    description: 'A cell of a benchmark',
    capabilities: [{ name: capabilityName(number), version: '1.0.0' }],
  }
  const head = uploadHead(metadata)
  const length = Buffer.byteLength(head) + module.length + Buffer.byteLength(UPLOAD_TAIL)
  const request = [
    'POST /api/v1/repository/cells HTTP/1.1',
    `Host: 127.0.0.1:${port}`,
    `X-API-Key: ${ADMIN_KEY}`,
    `Content-Type: ${UPLOAD_TYPE}`,
    `Content-Length: ${length}`,
    '',
    '',
  ].join('\r\n')
  return Buffer.concat([Buffer.from(request + head), module, Buffer.from(UPLOAD_TAIL)])
}

function part(name: string, more: string, type = 'application/octet-stream'): string {
  return `\r\n--${BOUNDARY}\r\nContent-Disposition: form-data; name="${name}"${more}\r\nContent-Type: ${type}\r\n\r\n`
}
