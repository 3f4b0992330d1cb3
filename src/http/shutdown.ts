import type { Socket } from 'node:net'
import type { FastifyInstance } from 'fastify'

/** Milliseconds that running requests get to finish. */
const GRACE_MS = 5_000
/** Milliseconds between two looks for connections that became idle. */
const LOOK_MS = 20

/**
 * Makes the function that stops a server: it stops accepting, closes each connection when its request is answered, and all that
 * are left after 5 s.
 */
export function prepareShutdown(app: FastifyInstance): () => Promise<void> {
  const { server } = app
  const sockets = new Set<Socket>()
  server.on('connection', (socket: Socket) => {
    sockets.add(socket)
    socket.once('close', () => sockets.delete(socket))
  })
  const closeIdle = (): void => {
    server.closeIdleConnections()
    // To the server, a connection that never said anything is busy with its first request.
    for (const socket of sockets) if (socket.bytesRead === 0) socket.destroy()
  }
  return async () => {
    const looking = setInterval(closeIdle, LOOK_MS)
    const ending = setTimeout(() => server.closeAllConnections(), GRACE_MS)
    try {
      await app.close()
    } finally {
      clearInterval(looking)
      clearTimeout(ending)
    }
  }
}
