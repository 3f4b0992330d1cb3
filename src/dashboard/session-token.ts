/** The session that a token of memory says it opens. The node verifies it; here it only says where to look. Throws `Error` for what is no token. */
export function sessionOf(token: string): string {
  const [, claims] = token.trim().split('.')
  let sub: unknown
  try {
    const bytes = Uint8Array.from(atob((claims ?? '').replaceAll('-', '+').replaceAll('_', '/')), (character) =>
      character.charCodeAt(0),
    )
    sub = (JSON.parse(new TextDecoder().decode(bytes)) as { sub?: unknown }).sub
  } catch {
    sub = undefined
  }
  if (typeof sub === 'string' && sub !== '') return sub
  throw new Error('this is no session token: found no session in it')
}
