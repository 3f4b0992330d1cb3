import type { Server } from 'node:http'
import type { Socket } from 'node:net'
import type { FastifyInstance } from 'fastify'

/** Milliseconds that running requests get to finish. */
const GRACE_MS = 5_000
/** Milliseconds between two looks for connections that became idle. */
const LOOK_MS = 20

/** Stops listeners. */
export interface Shutdown {
  /** Another listener of the same application stops with it. */
  add(server: Server): void
  /** Stops accepting, closes each connection when its request is answered, and all that are left after 5 s. */
  run(): Promise<void>
}

/** Prepares to stop the application's listener: it must see the connections that come from now on. */
export function prepareShutdown(app: FastifyInstance): Shutdown {
  const servers: Server[] = []
  const sockets = new Set<Socket>()
  const add = (server: Server): void => {
    servers.push(server)
    // With TLS, a connection is one of HTTP from the end of its handshake on; until then it is one that never said anything.
    for (const event of ['connection', 'secureConnection']) {
      server.on(event, (socket: Socket) => {
        sockets.add(socket)
        socket.once('close', () => sockets.delete(socket))
      })
    }
  }
  add(app.server)
  const closeIdle = (): void => {
    for (const server of servers) server.closeIdleConnections()
    // To the server, a connection that never said anything is busy with its first request.
    for (const socket of sockets) if (socket.bytesRead === 0) socket.destroy()
  }
  const stop = async (): Promise<void> => {
    // The application closes its own listener.
    const others = servers.slice(1).map((server) => new Promise((resolve) => server.close(resolve)))
    await Promise.all([app.close(), ...others])
  }
  return {
    add,
    async run() {
      const looking = setInterval(closeIdle, LOOK_MS)
      const ending = setTimeout(() => {
        for (const server of servers) server.closeAllConnections()
      }, GRACE_MS)
      try {
        await stop()
      } finally {
        clearInterval(looking)
        clearTimeout(ending)
      }
    },
  }
}
