import { hash } from 'node:crypto'
import type { Header } from 'tar-stream'
import { type FindingList, shortened } from './archive-findings.ts'
import { NAME_BYTES, NAME_DEPTH } from './archive-limits.ts'

/**
 * Where an archive is unpacked. `folder`: in a folder of somebody's machine, next to other things. `root`: as the root of a container's
 * file system, in which absolute names and links lead nowhere else, and device files are the runtime's to allow.
 */
export type Destination = 'folder' | 'root'

type Kind = 'file' | 'directory' | 'symlink' | 'device'

const KINDS: Readonly<Record<Header['type'], Kind | 'link'>> = {
  file: 'file',
  'contiguous-file': 'file',
  directory: 'directory',
  symlink: 'symlink',
  link: 'link',
  'character-device': 'device',
  'block-device': 'device',
  fifo: 'device',
}

/** A name in the form in which names are compared, or what is wrong with it. */
type Name = { readonly path: string } | { readonly code: string; readonly fault: string }

/** Judges the entries of one archive, in their order. */
export class TarEntries {
  readonly #destination: Destination
  readonly #findings: FindingList
  readonly #seen = new Map<string, Kind>()
  /** Whether a symbolic link was seen, so that names may lead through one. */
  #hasLinks = false

  constructor(destination: Destination, findings: FindingList) {
    this.#destination = destination
    this.#findings = findings
  }

  /** The path of a regular file without faults, `./` removed; undefined for everything else. */
  check(header: Header): string | undefined {
    const name = this.#name(header.name)
    if ('fault' in name) {
      this.#findings.error(name.code, name.fault, header.name)
      return undefined
    }
    const kind: Kind | 'link' | undefined = KINDS[header.type]
    if (name.path === '' && kind !== 'directory') {
      this.#findings.error('ARCHIVE_NAME', `a ${header.type} without a name`, header.name)
      return undefined
    }
    const key = keyOf(name.path)
    if (this.#seen.has(key)) {
      this.#findings.error('ARCHIVE_DUPLICATE', 'an entry of this name came before', header.name)
      return undefined
    }
    this.#checkParents(name.path, header.name)
    this.#seen.set(key, this.#checkKind(kind, header, name.path))
    return kind === 'file' ? name.path : undefined
  }

  /** Judges what an entry is, and says as what it is remembered. */
  #checkKind(kind: Kind | 'link' | undefined, header: Header, path: string): Kind {
    switch (kind) {
      case 'file':
      case 'directory':
        return kind
      case 'symlink':
        this.#hasLinks = true
        this.#checkTarget(header, path)
        return kind
      case 'link':
        return this.#checkHardLink(header)
      default: {
        const message = `a ${header.type ?? 'thing of an unknown type'}: not a file, a folder or a link`
        if (this.#destination === 'root' && kind === 'device') {
          this.#findings.warn('ARCHIVE_ENTRY_TYPE', message, header.name)
        } else this.#findings.error('ARCHIVE_ENTRY_TYPE', message, header.name)
        return 'device'
      }
    }
  }

  /**
   * With `..` at the start of targets only, and no entry behind a link, it takes no file system to know where a link leads: each link stays
   * inside, and so does what leads through several.
   */
  #checkTarget(header: Header, path: string): void {
    const target = header.linkname ?? ''
    if (target === '' || target.includes('\0') || Buffer.byteLength(target) > NAME_BYTES) {
      this.#findings.error('ARCHIVE_LINK', `a link to ${JSON.stringify(shortened(target))}`, header.name)
      return
    }
    if (this.#destination === 'root') return
    const parts = target.split('/').filter((part) => part !== '' && part !== '.')
    const ups = parts.findIndex((part) => part !== '..')
    const depth = path.split('/').length - 1
    const leads =
      isAbsolute(target) || (ups === -1 ? parts.length : ups) > depth
        ? 'leads out of the archive'
        : parts.slice(ups).includes('..') && ups !== -1
          ? 'climbs up behind a name, which may be a link'
          : undefined
    if (leads !== undefined) {
      this.#findings.error('ARCHIVE_LINK', `a link to ${JSON.stringify(shortened(target))} ${leads}`, header.name)
    }
  }

  #checkHardLink(header: Header): Kind {
    const target = this.#name(header.linkname ?? '')
    const known = 'path' in target ? this.#seen.get(keyOf(target.path)) : undefined
    if ('fault' in target || (this.#destination === 'folder' && known !== 'file')) {
      const what = 'fault' in target ? `${target.fault}` : 'no file of this name came before'
      const shown = JSON.stringify(shortened(header.linkname ?? ''))
      this.#findings.error('ARCHIVE_LINK', `a hard link to ${shown}: ${what}`, header.name)
    }
    return known ?? 'file'
  }

  #checkParents(path: string, location: string): void {
    if (!this.#hasLinks || this.#destination === 'root') return
    for (let end = path.indexOf('/'); end !== -1; end = path.indexOf('/', end + 1)) {
      if (this.#seen.get(keyOf(path.slice(0, end))) === 'symlink') {
        this.#findings.error('ARCHIVE_LINK', `leads through the link ${JSON.stringify(path.slice(0, end))}`, location)
        return
      }
    }
  }

  #name(name: string): Name {
    // The library decodes names leniently and leaves this character where bytes were not UTF-8.
    if (name.includes('\uFFFD')) return { code: 'ARCHIVE_NAME', fault: 'a name that is not UTF-8' }
    if (name.includes('\0')) return { code: 'ARCHIVE_NAME', fault: 'a name with a NUL character' }
    const bytes = Buffer.byteLength(name)
    if (bytes > NAME_BYTES) {
      return { code: 'ARCHIVE_NAME', fault: `a name of ${bytes} bytes, at most ${NAME_BYTES} are allowed` }
    }
    if (this.#destination === 'folder' && isAbsolute(name)) {
      return { code: 'ARCHIVE_TRAVERSAL', fault: 'an absolute name, or one that Windows reads as a path' }
    }
    const parts = name.split('/').filter((part) => part !== '' && part !== '.')
    if (parts.includes('..')) return { code: 'ARCHIVE_TRAVERSAL', fault: 'a name that climbs up ("..")' }
    if (parts.length > NAME_DEPTH) {
      return { code: 'ARCHIVE_NAME', fault: `${parts.length} folders deep, at most ${NAME_DEPTH} are allowed` }
    }
    return { path: parts.join('/') }
  }
}

/** Absolute on any system: a slash, a drive letter, or backslashes, which separate names on Windows. */
const isAbsolute = (name: string): boolean => name.startsWith('/') || name.includes('\\') || /^[A-Za-z]:/.test(name)

/** Long names are remembered by their digest, so that what is kept of each entry is bounded. */
const keyOf = (path: string): string => (path.length <= 48 ? path : `\0${hash('sha256', path, 'base64')}`)
