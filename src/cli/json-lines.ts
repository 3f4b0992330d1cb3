import { CliError, EXIT } from './exit-codes.ts'

/** Characters of a line at most. */
const MAX_LINE = 1024 * 1024

/** Lines of text as they come, without their line feeds; empty ones, which only say that the node is there, are left out. */
export async function* textLines(bytes: AsyncIterable<Uint8Array>): AsyncGenerator<string> {
  const decoder = new TextDecoder()
  let rest = ''
  for await (const piece of bytes) {
    const lines = (rest + decoder.decode(piece, { stream: true })).split('\n')
    rest = lines.pop() ?? ''
    if (rest.length > MAX_LINE) throw new CliError('the node sent a line without end', EXIT.failure, 'BAD_ANSWER')
    for (const line of lines) if (line !== '') yield line
  }
  if (rest !== '') yield rest
}

/** Lines of JSON, parsed. */
export async function* jsonLines(bytes: AsyncIterable<Uint8Array>): AsyncGenerator<unknown> {
  for await (const line of textLines(bytes)) {
    try {
      yield JSON.parse(line)
    } catch {
      throw new CliError('the node sent a line that is no JSON', EXIT.failure, 'BAD_ANSWER')
    }
  }
}
