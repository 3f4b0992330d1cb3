/** Characters of an answer that is no JSON. */
const SHOWN = 200

/** What an error says in words, whichever of the documented shapes it has. */
export function failureText(status: number, text: string): string {
  let body: unknown
  try {
    body = JSON.parse(text)
  } catch {
    return text.trim() === '' ? `status ${status}` : text.trim().slice(0, SHOWN)
  }
  if (typeof body !== 'object' || body === null) return `status ${status}`
  const { error, errors, message } = body as { error?: unknown; errors?: unknown; message?: unknown }
  const first = Array.isArray(errors) ? (errors[0] as unknown) : undefined
  for (const candidate of [messageOf(error), messageOf(first), error, message]) {
    if (typeof candidate === 'string' && candidate !== '') return candidate
  }
  return `status ${status}`
}

const messageOf = (value: unknown): unknown =>
  typeof value === 'object' && value !== null && 'message' in value ? value.message : undefined
