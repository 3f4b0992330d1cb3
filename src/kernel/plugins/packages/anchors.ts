import { lacking, type PackageDefinition } from '../package.ts'

/** What a node says of one of its logs, for others to hold it to. */
export interface AnchorStatement {
  /** Null for the node's own log. */
  readonly goal: string | null
  /** Origin line of the log's checkpoints: whose log it is, and which. */
  readonly origin: string
  /** Number of leaves. */
  readonly size: number
  /** Lower-case hexadecimal. */
  readonly root: string
  /** The same as a note that the log's key has signed (C2SP `tlog-checkpoint`), without lines of witnesses. */
  readonly checkpoint: string
}

/** What the node knows of those that cosign its logs. */
export interface AnchorWitnesses {
  /**
   * The lines of witnesses under one checkpoint of that log that has as many leaves or more, and the number of its leaves; undefined while
   * there is none.
   */
  cosigned(origin: string, size: number): { readonly size: number; readonly lines: readonly string[] } | undefined
}

/** Characters of a receipt: it is kept with the log's state. */
export const MAX_RECEIPT = 8192

/**
 * The anchor answered, and does not take this statement: asking again at once would not change that. Any other error is a failure to ask.
 */
export class AnchorRefusal extends Error {
  override readonly name = 'AnchorRefusal'
}

/** Keeps what a node says of its logs where the node cannot take it back. */
export interface Anchor {
  /**
   * Commits a statement. Resolves with what shows that it did (at most {@link MAX_RECEIPT} characters), once it will not be lost any more;
   * with undefined when it has to wait, and is to be asked again later. The same statement may come again, after a crash of the node.
   * Gives up when the signal aborts.
   */
  commit(
    statement: AnchorStatement,
    signal: AbortSignal,
    witnesses: AnchorWitnesses,
  ): Promise<{ readonly receipt: string } | undefined>
  /** Lets go of what it holds. What is asked afterwards rejects. */
  close(): Promise<void>
}

/** The package `anchors`: a node may use several. */
export const anchors: PackageDefinition<Anchor> = {
  name: 'anchors',
  documentation: "Commit the roots of the node's logs where the node cannot take them back.",
  misshapen: (anchor) => lacking(anchor, ['commit', 'close']),
}
