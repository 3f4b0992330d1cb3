import { concat } from 'uint8arrays/concat'
import { equals } from 'uint8arrays/equals'
import { fromString } from 'uint8arrays/from-string'
import { toString as encode } from 'uint8arrays/to-string'

/** Byte helpers that work the same in Node and in browsers. */
export { concat as concatBytes, equals as equalBytes }

/** UTF-8 bytes of `text`. */
export const utf8 = (text: string): Uint8Array => fromString(text, 'utf8')

/** Lower-case hexadecimal. */
export const toHex = (bytes: Uint8Array): string => encode(bytes, 'base16')

/** Bytes of lower-case or upper-case hexadecimal; throws on anything else. */
export const fromHex = (hex: string): Uint8Array => fromString(hex.toLowerCase(), 'base16')

/** base64 with padding. */
export const toBase64 = (bytes: Uint8Array): string => encode(bytes, 'base64pad')

/** base64url without padding. */
export const toBase64Url = (bytes: Uint8Array): string => encode(bytes, 'base64url')

/** Letters of base64url, in groups of four; a last group of two or three has no bit set that stands for nothing. */
const BASE64URL = /^(?:[\w-]{4})*(?:[\w-][AQgw]|[\w-]{2}[AEIMQUYcgkosw048])?$/

/** Bytes of base64url without padding. Throws `TypeError` when the text has another form, so that one value has one spelling. */
export function fromBase64Url(text: string): Uint8Array {
  if (!BASE64URL.test(text)) throw new TypeError('not base64url without padding')
  const binary = atob(text.replaceAll('-', '+').replaceAll('_', '/'))
  const bytes = new Uint8Array(binary.length)
  for (let at = 0; at < bytes.length; at++) bytes[at] = binary.charCodeAt(at)
  return bytes
}
