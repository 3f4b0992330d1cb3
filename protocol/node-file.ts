import { type Static, Type } from 'typebox'
import { ProviderId } from './fields.ts'

/** `<data-dir>/node.json` of a running node, and the line that `cytoplex start` prints when it is ready. */
export const NodeFile = Type.Object({
  provider_id: ProviderId,
  http_url: Type.String(),
  p2p_addrs: Type.Array(Type.String()),
  pid: Type.Integer(),
})
export type NodeFile = Static<typeof NodeFile>
