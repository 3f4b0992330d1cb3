import type { Anchor } from '../../kernel/plugins/packages/anchors.ts'

/**
 * Witnesses among the peers are asked by the node anyway: this collects what they cosigned. The receipt is the size that they did, and
 * their lines.
 */
export function createPeersAnchor(): Anchor {
  let isClosed = false
  return {
    async commit({ origin, size }, signal, witnesses) {
      signal.throwIfAborted()
      if (isClosed) throw new Error('the anchor is closed')
      const cosigned = witnesses.cosigned(origin, size)
      return cosigned && { receipt: [cosigned.size, ...cosigned.lines].join('\n') }
    },
    async close() {
      isClosed = true
    },
  }
}
