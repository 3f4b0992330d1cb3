import { createServer } from 'node:net'
import { errorMessage, hasCode } from '../kernel/base/errors.ts'

/** Whether a program could listen on a TCP port of this machine: undefined, or why not. Port 0 is always free. */
export function whyPortIsTaken(host: string, port: number): Promise<string | undefined> {
  const server = createServer()
  return new Promise((resolve) => {
    server.once('error', (error) => {
      if (hasCode(error, 'EADDRINUSE')) resolve('another program uses it')
      else if (hasCode(error, 'EADDRNOTAVAIL')) resolve('this machine has no such address')
      else if (hasCode(error, 'EACCES')) resolve('this user may not listen there')
      else resolve(errorMessage(error))
    })
    server.listen({ host, port, ipv6Only: host.includes(':') }, () => server.close(() => resolve(undefined)))
  })
}
