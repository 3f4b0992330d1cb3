import { once } from 'node:events'
import { type AddressInfo, createServer, type Socket } from 'node:net'
import type { TestContext } from 'node:test'

/** A TCP service in this process that is asked in lines. */
export interface LineService {
  readonly port: number
  /** Lines that arrived, in order. */
  readonly lines: string[]
  /** Connections that were made. */
  readonly connections: () => number
  /** Resolves when so many lines have arrived, in all. */
  asked(count: number): Promise<void>
  /** Closes all connections. */
  hangUp(): void
  /** From now on nobody is there. */
  close(): Promise<void>
}

/** What becomes of a line: it may answer on the socket, or not. */
export type LineAnswer = (line: string, socket: Socket) => void

/** Starts a service that closes with the test. */
export async function lineService(t: TestContext, answer: LineAnswer, port = 0): Promise<LineService> {
  const lines: string[] = []
  const sockets = new Set<Socket>()
  let connections = 0
  let heard = Promise.withResolvers<void>()
  const server = createServer((socket) => {
    connections++
    sockets.add(socket)
    socket.on('close', () => sockets.delete(socket))
    socket.on('error', () => undefined)
    let rest = ''
    socket.setEncoding('utf8').on('data', (data: string) => {
      const parts = (rest + data).split('\n')
      rest = parts.pop() ?? ''
      for (const line of parts) {
        lines.push(line)
        heard.resolve()
        heard = Promise.withResolvers()
        answer(line, socket)
      }
    })
  })
  server.listen(port, '127.0.0.1')
  await once(server, 'listening')
  const hangUp = (): void => {
    for (const socket of sockets) socket.destroy()
  }
  const close = async (): Promise<void> => {
    hangUp()
    await new Promise((closed) => server.close(closed))
  }
  t.after(close)
  return {
    port: (server.address() as AddressInfo).port,
    lines,
    connections: () => connections,
    async asked(count) {
      while (lines.length < count) await heard.promise
    },
    hangUp,
    close,
  }
}

/** A service of Tau's protocol that takes everything. */
export const acceptingTau: LineAnswer = (line, socket) => {
  const [, request, , size] = line.split(' ')
  socket.write(`OK ${request} receipt-${size}\n`)
}
