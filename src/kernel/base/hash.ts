import { hash } from 'node:crypto'

/** SHA-256 of `data`: 32 bytes. */
export const sha256 = (data: Uint8Array | string): Uint8Array => hash('sha256', data, 'buffer')

/** SHA-256 of `data` in lower-case hexadecimal. */
export const sha256Hex = (data: Uint8Array | string): string => hash('sha256', data, 'hex')
