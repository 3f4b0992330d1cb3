/** Controls, line and paragraph separators, lone surrogates, and format characters (bidirectional ones among them) except the joiners. */
const UNSAFE = /[\p{Cc}\p{Cs}\p{Zl}\p{Zp}]|(?![\u200c\u200d])\p{Cf}/gu

/**
 * The text with every character that could move the cursor, reorder what is read or hide something written as `\uXXXX`. For strings
 * from strangers that are shown in a terminal (SECURITY 19). Escapes inside JSON stay valid JSON.
 */
export function escapeControls(text: string): string {
  return text.replace(UNSAFE, escapeCharacter)
}

function escapeCharacter(character: string): string {
  let escaped = ''
  for (let i = 0; i < character.length; i++) {
    escaped += `\\u${character.charCodeAt(i).toString(16).padStart(4, '0')}`
  }
  return escaped
}
