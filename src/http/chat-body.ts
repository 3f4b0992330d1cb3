import { chatError } from '../node/memory-api.ts'

/** Fields that would give an answer another meaning, with what each may be where it is given. */
const UNSUPPORTED: Readonly<Record<string, { readonly allowed: string; readonly fits: (value: unknown) => boolean }>> =
  {
    tools: { allowed: 'no tools', fits: isEmpty },
    functions: { allowed: 'no functions', fits: isEmpty },
    n: { allowed: '1', fits: (value) => value === 1 },
    logprobs: { allowed: 'false', fits: (value) => value === false },
    response_format: {
      allowed: '{"type":"text"}',
      fits: (value) => typeof value === 'object' && value !== null && 'type' in value && value.type === 'text',
    },
    modalities: { allowed: '["text"]', fits: (value) => JSON.stringify(value) === '["text"]' },
  }

/** Asserts that a request for a chat completion asks for nothing that would silently be left out. Throws 400 that names the field. */
export function assertSupported(body: object): void {
  for (const [field, { allowed, fits }] of Object.entries(UNSUPPORTED)) {
    const value = (body as Readonly<Record<string, unknown>>)[field]
    if (value === undefined || value === null || fits(value)) continue
    const message = `${field}: found ${shown(value)}, allowed is ${allowed}`
    throw chatError('unsupported_parameter', message, field)
  }
}

function isEmpty(value: unknown): boolean {
  return Array.isArray(value) && value.length === 0
}

/** Characters of a value that a message shows. */
const SHOWN = 80

function shown(value: unknown): string {
  const text = JSON.stringify(value)
  return text.length > SHOWN ? `${text.slice(0, SHOWN)}…` : text
}
