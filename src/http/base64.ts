import { fromBase64Url } from '../kernel/base/bytes.ts'
import { ProviderError } from '../kernel/base/errors.ts'

/** Letters of base64, whole groups of four where it is padded. */
const BASE64 = /^(?:[A-Za-z0-9+/]*|(?:[A-Za-z0-9+/]{4})*[A-Za-z0-9+/]{2}(?:==|[A-Za-z0-9+/]=))$/

/**
 * The base64url, without padding, of what `text` says in base64 (RFC 4648 §4), padded or not. Throws `PROV_001` for anything else; `name` says in
 * the message which field it was.
 */
export function base64UrlOf(text: string, name: string): string {
  const url = text.replace(/=+$/, '').replaceAll('+', '-').replaceAll('/', '_')
  try {
    if (!BASE64.test(text)) throw new TypeError('not base64')
    fromBase64Url(url)
  } catch {
    const found = JSON.stringify(text.length > 40 ? `${text.slice(0, 40)}…` : text)
    throw new ProviderError(
      'PROV_001',
      `${name}: found ${found}, allowed is base64 (RFC 4648, section 4), padded or not`,
    )
  }
  return url
}
