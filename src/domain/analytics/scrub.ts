import { sha256Hex } from '../../kernel/base/hash.ts'

/** Lines of a stack trace that are looked at. */
const LINES = 256
/** Frames of a stack trace that are kept: where it happened, not the whole program. */
const FRAMES = 8
/** Characters of a line that are looked at, and of one that is kept. */
const LINE_READ = 400
const LINE_KEPT = 160

/** How lines begin that name a place in code: V8 and Java, Python, GDB, numbered ones of Rust. Firefox and Safari write `name@place`. */
const FRAME = /^\s{0,16}(at |File |#[0-9]|[0-9]{1,3}: )|^[^\s@]{0,100}@[a-z]{2,12}:\/\//
/**
 * The beginning of a URL or of an absolute path. All that follows it goes, up to a bracket or quote, because names of people in
 * paths contain spaces.
 */
const PLACE =
  /[A-Za-z][A-Za-z0-9+.-]{0,15}:\/\/[^()"'<>|]*|(?<![A-Za-z0-9])(?:[A-Za-z]:[\\/]|\\\\|[~.]{0,2}\/)[^()"'<>|]*/g
/** In `name@place` the name is that of a function. */
const FUNCTION_AT = /@(?=[a-z]{2,12}:\/\/)/g
const QUOTED = /"[^"]*"|'[^']*'|`[^`]*`/g
/** What separates words. The separators are kept. */
const SEPARATORS = /([\s()[\]{}"'`<>,;=|]+)/
const IPV4 = /[0-9]{1,3}\.[0-9]{1,3}\.[0-9]{1,3}\.[0-9]{1,3}/
/** IPv6 and hardware addresses: hexadecimal digits with two colons or more, perhaps with a zone. */
const COLONS = /^[0-9A-Fa-f.]*:[0-9A-Fa-f.]*:[0-9A-Fa-f:.]*(%[\w-]*)?$/
const HOST = /^[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)+\.?(:[0-9]+)?[.:]?$/
const SECRET_FOLLOWS =
  /(password|passwd|pwd|passphrase|secret|token|bearer|basic|authorization|api[_-]?key|cookie|session|credential)s?:?$/i
/** Shorter words are names; longer ones with a digit are digests, keys and identifiers. */
const TOKEN_LENGTH = 16
/** Without a digit, only very long words are no names. */
const LONG = 48

/**
 * Takes out of text what may name a person or open a door: URLs, paths, addresses, tokens. Where it is unsure it takes out too much. In
 * prose also quoted text and names of hosts, which code calls functions by. Takes time linear in the length of the text.
 */
export function scrub(line: string, kind: 'code' | 'prose'): string {
  const visible = line
    .slice(0, LINE_READ)
    .replace(/\p{Cf}/gu, '')
    .replace(/\p{Cc}/gu, ' ')
  const unquoted = kind === 'prose' ? visible.replace(QUOTED, '<text>') : visible
  const parts = unquoted.replace(FUNCTION_AT, ' in ').replace(PLACE, '<path>').split(SEPARATORS)
  let before = ''
  const words = parts.map((part, index) => {
    // Every second part is a separator.
    if (index % 2 === 1 || !/[^:]/.test(part)) return part
    const word = SECRET_FOLLOWS.test(before) && !SECRET_FOLLOWS.test(part) ? '<token>' : scrubWord(part, kind)
    before = part
    return word
  })
  return words.join('').trim().slice(0, LINE_KEPT)
}

function scrubWord(word: string, kind: 'code' | 'prose'): string {
  if (word.includes('/') || word.includes('\\')) return '<path>'
  if (word.includes('@') || IPV4.test(word) || COLONS.test(word)) return '<address>'
  if (isToken(word)) return '<token>'
  if (kind === 'prose' && HOST.test(word)) return '<address>'
  return /[0-9]{5}/.test(word) ? '<number>' : word
}

/** A key before its value (`password:hunter2`), a UUID, or a part that is too long for a name. */
function isToken(word: string): boolean {
  const parts = word.split(/[.:$#&?%]/)
  const isPair = parts.length > 1 && parts.slice(0, -1).some((part) => SECRET_FOLLOWS.test(part)) && parts.at(-1) !== ''
  return isPair || parts.some((part) => part.length >= LONG || (part.length >= TOKEN_LENGTH && /[0-9]/.test(part)))
}

/** The top frames of a stack trace, scrubbed. Lines that are no frames (messages, source code) are left out. */
export function topFrames(stackTrace: string): string[] {
  const frames: string[] = []
  for (const line of stackTrace.split('\n', LINES)) {
    if (!FRAME.test(line)) continue
    frames.push(scrub(line, 'code'))
    if (frames.length === FRAMES) break
  }
  return frames
}

/**
 * What errors of one cause share, as 24 hexadecimal digits. Numbers do not count: lines and offsets change with every version.
 */
export function fingerprint(
  cellType: string,
  errorType: string,
  errorCode: string | null,
  frames: readonly string[],
): string {
  const places = frames.map((frame) => frame.replace(/[0-9]+/g, '#'))
  return sha256Hex(JSON.stringify([cellType, errorType, errorCode, places])).slice(0, 24)
}
