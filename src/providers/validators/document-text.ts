import { parseStrictJson, StrictJsonError } from '../../kernel/base/strict-json.ts'
import type { Findings } from '../../kernel/plugins/packages/validators.ts'
import { refusal } from './refusal.ts'

/** Control characters that no text has: all but tab, line feed, form feed, carriage return and next line. */
export const CONTROL = /[^\P{Cc}\t\n\f\r\u0085]/u

/** Reads a document piece by piece, and as JSON at its end where it must be that. */
export async function readDocument(chunks: AsyncIterable<Uint8Array>, isJson: boolean): Promise<Findings> {
  const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })
  const json: string[] = []
  let characters = 0
  let bytes = 0
  try {
    for await (const chunk of chunks) {
      const text = decoder.decode(chunk, { stream: true })
      if (CONTROL.test(text)) return control(text, bytes)
      characters += codePoints(text)
      bytes += chunk.length
      if (isJson) json.push(text)
    }
    decoder.decode()
  } catch (error) {
    if (!(error instanceof TypeError)) throw error
    return refusal('DOCUMENT_ENCODING', `not UTF-8, at byte ${bytes} or later`)
  }
  const passed = ['document_encoding', 'document_text']
  if (isJson) {
    const fault = jsonFault(json.join(''))
    if (fault !== undefined) return { ...refusal('DOCUMENT_JSON', fault), passed }
    passed.push('document_json')
  }
  return { issues: [], passed, report: { kind: 'document', characters } }
}

function control(text: string, bytes: number): Findings {
  const found = text.charCodeAt(text.search(CONTROL)).toString(16).padStart(4, '0')
  return refusal('DOCUMENT_CONTROL', `the control character U+${found}, at byte ${bytes} or later`)
}

function codePoints(text: string): number {
  let surrogates = 0
  for (let index = 0; index < text.length; index++) if ((text.charCodeAt(index) & 0xfc00) === 0xdc00) surrogates++
  return text.length - surrogates
}

function jsonFault(text: string): string | undefined {
  try {
    parseStrictJson(text)
    return undefined
  } catch (error) {
    if (error instanceof StrictJsonError) return error.message
    throw error
  }
}
