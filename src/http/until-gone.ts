import type { FastifyRequest } from 'fastify'
import { finished } from './respond.ts'

/** The status by which logs and metrics know answers that nobody waited for. */
export const CLIENT_GONE = 499

/** Does `work` as long as the client is there; its signal fires when the connection closes. What fails after that is nobody's to hear. */
export async function untilGone(request: FastifyRequest, work: (signal: AbortSignal) => Promise<void>): Promise<void> {
  // The connection, not the answer: one that is still behind another answer never learns that the client left.
  const { socket } = request.raw
  if (socket.destroyed) return finished(request, CLIENT_GONE)
  const gone = new AbortController()
  const stop = (): void => gone.abort(new Error('the client left'))
  socket.once('close', stop)
  try {
    await work(gone.signal)
  } catch (error) {
    if (!gone.signal.aborted) throw error
    finished(request, CLIENT_GONE)
  } finally {
    socket.off('close', stop)
  }
}
