import { sha256 } from '../../src/kernel/base/hash.ts'

/** A fixed 32-byte seed with a name. */
export const namedSeed = (name: string): Uint8Array => new Uint8Array(sha256(`cytoplex vectors: ${name}`))

/** The network that vectors belong to unless they say otherwise. */
export const NETWORK = 'vectors'
