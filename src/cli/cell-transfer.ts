import { createHash } from 'node:crypto'
import { existsSync } from 'node:fs'
import { type FileHandle, link, open, rename, rm } from 'node:fs/promises'
import { SingleBar } from 'cli-progress'
import { type Client, type ClientOptions, createClient, type Downloadable, type Progress } from '../client/index.ts'
import { hasCode } from '../kernel/base/errors.ts'
import { CliError, EXIT } from './exit-codes.ts'
import { safe } from './output.ts'
import { alreadyThere, cannotWrite } from './output-file.ts'
import { resolveTarget, type TargetOptions } from './target.ts'

/** Flags of every verb that talks to a node. */
export interface NodeFlags extends TargetOptions {
  readonly json?: true
  readonly network?: string
}

/** A client of the node that the flags name; an operator's shows its signatures, and no key. */
export function clientFor(flags: NodeFlags, more: Pick<ClientOptions, 'publishers' | 'operator'> = {}): Client {
  const { url, apiKey } = resolveTarget(flags)
  return createClient({
    nodes: url,
    apiKey: more.operator === undefined ? apiKey : undefined,
    network: flags.network,
    ...more,
    // Somebody is watching, who knows better whether to try again.
    retries: 0,
    sha256: () => createHash('sha256'),
  })
}

/** Runs `work` with a signal that SIGINT and SIGTERM abort, so that it can clean up behind itself. */
export async function interruptible<T>(work: (signal: AbortSignal) => Promise<T>): Promise<T> {
  const controller = new AbortController()
  const interrupt = () => controller.abort(new CliError('interrupted', EXIT.failure, 'INTERRUPTED'))
  process.once('SIGINT', interrupt)
  process.once('SIGTERM', interrupt)
  try {
    return await work(controller.signal)
  } finally {
    process.off('SIGINT', interrupt)
    process.off('SIGTERM', interrupt)
  }
}

/** Shows progress on stderr while `work` runs, when somebody can see it; `totalText` writes what it comes to. */
export async function withProgress<T>(
  label: string,
  flags: NodeFlags,
  work: (onProgress: (progress: Progress) => void) => Promise<T>,
  totalText: (total: number) => string = bytesText,
): Promise<T> {
  if (!process.stderr.isTTY || flags.json) return work(() => undefined)
  const bar = new SingleBar({
    format: `${safe(label)} [{bar}] {percentage}% of {total_text}`,
    stream: process.stderr,
    clearOnComplete: true,
    hideCursor: true,
  })
  let started = false
  try {
    return await work(({ transferred, total }) => {
      if (!started) bar.start(total, 0, { total_text: totalText(total) })
      started = true
      bar.update(transferred)
    })
  } finally {
    if (started) bar.stop()
  }
}

/** Bytes for people. */
export function bytesText(bytes: number): string {
  if (bytes < 1000) return `${bytes} B`
  const units = ['kB', 'MB', 'GB']
  const unit = Math.min(Math.floor(Math.log10(bytes) / 3), units.length)
  return `${(bytes / 1000 ** unit).toFixed(1)} ${units[unit - 1]}`
}

/**
 * Downloads a package into a file, which appears only when it is whole and right. Returns its size in bytes. Throws `CliError` when the
 * file exists and `force` is not set or it cannot be written, and whatever the download throws.
 */
export async function downloadToFile(
  client: Client,
  cell: Downloadable,
  path: string,
  flags: NodeFlags & { readonly force?: true },
): Promise<number> {
  if (!flags.force && existsSync(path)) throw alreadyThere(path)
  const unfinished = `${path}.${process.pid}.part`
  return interruptible((signal) =>
    withProgress(path, flags, async (onProgress) => {
      const file = await open(unfinished, 'wx').catch((error: unknown) => {
        throw cannotWrite(path, error)
      })
      try {
        const size = await receive(client, cell, file, signal, onProgress).finally(() => file.close())
        if (flags.force) await rename(unfinished, path)
        else await appear(unfinished, path)
        return size
      } finally {
        await rm(unfinished, { force: true })
      }
    }),
  )
}

async function receive(
  client: Client,
  cell: Downloadable,
  file: FileHandle,
  signal: AbortSignal,
  onProgress: (progress: Progress) => void,
): Promise<number> {
  let size = 0
  for await (const part of client.downloadParts(cell, { signal, onProgress })) {
    if (part.kind === 'restart') {
      await file.truncate(0)
      size = 0
      continue
    }
    for (let at = 0; at < part.bytes.length; ) {
      const { bytesWritten } = await file.write(part.bytes, at, part.bytes.length - at, size + at)
      at += bytesWritten
    }
    size += part.bytes.length
  }
  await file.sync()
  return size
}

/** Gives a finished file its name, unless somebody took the name in the meantime. */
async function appear(unfinished: string, path: string): Promise<void> {
  try {
    await link(unfinished, path)
  } catch (error) {
    if (hasCode(error, 'EEXIST')) throw alreadyThere(path)
    // File systems without hard links.
    await rename(unfinished, path)
  }
}

const EXTENSIONS: Readonly<Record<string, string>> = {
  'application/wasm': 'wasm',
  'application/gzip': 'tar.gz',
  'application/x-tar': 'tar',
  'text/plain': 'txt',
  'text/markdown': 'md',
  'text/html': 'html',
  'text/csv': 'csv',
  'application/json': 'json',
}

/** Extension of a file with this media type. */
export const extensionOf = (mediaType: string): string => EXTENSIONS[mediaType] ?? 'bin'
