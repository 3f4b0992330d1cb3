import { createReadStream, statSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { pipeline } from 'node:stream'

const READ_BYTES = 1024 * 1024

/** A plain HTTP server that sends one file through a stream with reads of 1 MiB. Returns its port. */
async function start({ path }: { path: string }): Promise<number> {
  const { size } = statSync(path)
  const server = createServer((_request, response) => {
    response.writeHead(200, { 'Content-Type': 'application/octet-stream', 'Content-Length': size })
    pipeline(createReadStream(path, { highWaterMark: READ_BYTES }), response, (error) => {
      if (error) response.destroy(error)
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return (server.address() as AddressInfo).port
}

export const commands = { start }
