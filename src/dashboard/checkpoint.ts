/** A signed note of a log (C2SP `tlog-checkpoint`), taken apart to be shown. Nothing of it is verified here. */
export interface ShownCheckpoint {
  readonly origin: string
  readonly size: number
  /** Base64. */
  readonly root: string
  /** Names of those who signed it. */
  readonly signers: readonly string[]
}

/** Throws `Error` for what is no checkpoint. */
export function readCheckpoint(note: string): ShownCheckpoint {
  const [body = '', signatures = ''] = note.split('\n\n')
  const [origin, size, root] = body.split('\n')
  if (origin === undefined || root === undefined || !/^(0|[1-9]\d{0,15})$/.test(size ?? '')) {
    throw new Error('the node sent something else than a checkpoint')
  }
  const signers = signatures
    .split('\n')
    .map((line) => /^— (\S+) /.exec(line)?.[1])
    .filter((name) => name !== undefined)
  return { origin, size: Number(size), root, signers }
}

/** Leaves of a bundle. */
export const BUNDLE = 256

/** Where the leaves from `BUNDLE * bundle` on stand in a log of `size` leaves (C2SP `tlog-tiles`). */
export function entriesPath(bundle: number, size: number): string {
  const groups = String(bundle)
    .padStart(Math.ceil(String(bundle).length / 3) * 3, '0')
    .match(/\d{3}/g)!
  const path = groups.map((group, at) => (at < groups.length - 1 ? `x${group}` : group)).join('/')
  const width = Math.min(BUNDLE, size - bundle * BUNDLE)
  return `tile/entries/${path}${width < BUNDLE ? `.p/${width}` : ''}`
}

/** The leaves of a bundle: each behind its length in two bytes. Throws `Error` for bytes that end too early. */
export function readBundle(bytes: Uint8Array): Uint8Array[] {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const leaves: Uint8Array[] = []
  for (let at = 0; at < bytes.length; ) {
    const end = at + 2 <= bytes.length ? at + 2 + view.getUint16(at) : Number.POSITIVE_INFINITY
    if (end > bytes.length) throw new Error('the bundle of leaves ends in the middle of one')
    leaves.push(bytes.subarray(at + 2, end))
    at = end
  }
  return leaves
}
