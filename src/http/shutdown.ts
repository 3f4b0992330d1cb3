import type { FastifyInstance } from 'fastify'

/** Milliseconds that running requests get to finish. */
const GRACE_MS = 5_000
/** Milliseconds between two looks for connections that became idle. */
const LOOK_MS = 20

/** Stops accepting, closes each connection when its request is answered, and all that are left after `graceMs`. */
export async function shutDown(app: FastifyInstance, graceMs = GRACE_MS): Promise<void> {
  const { server } = app
  const looking = setInterval(() => server.closeIdleConnections(), LOOK_MS)
  const ending = setTimeout(() => server.closeAllConnections(), graceMs)
  try {
    await app.close()
  } finally {
    clearInterval(looking)
    clearTimeout(ending)
  }
}
