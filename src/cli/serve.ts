import { renameSync, rmSync, writeFileSync } from 'node:fs'
import type { NodeFile } from '../../protocol/node-file.ts'
import { makeDirectory } from '../kernel/base/make-directory.ts'
import type { Logger } from '../kernel/telemetry/logger.ts'
import { EXIT } from './exit-codes.ts'
import { nodeFilePath } from './target.ts'

/** A node that runs. */
export interface Serving {
  readonly file: NodeFile
  /** Finishes what was acknowledged and stops. */
  stop(): Promise<void>
}

/** What {@link serve} runs. */
export interface ServeOptions {
  readonly dataDir: string
  readonly logger: Logger
  start(): Promise<Serving>
  /** Called once `node.json` is written. */
  ready(file: NodeFile): void
}

/** Milliseconds that stopping may take; the contract says 10 s. */
const STOP_MS = 9500
const SIGNALS = ['SIGTERM', 'SIGINT'] as const

/**
 * Runs a node until SIGTERM or SIGINT, and ends the process: 0 after a clean stop, 1 when stopping failed or took too long. A signal
 * that arrives while the node starts is honoured as soon as it has started; the second signal ends the process at once. Throws what
 * `start` throws.
 */
export async function serve({ dataDir, logger, start, ready }: ServeOptions): Promise<void> {
  const signalled = watchSignals(logger)
  const serving = await start()
  endOnDefects(dataDir, logger)
  writeNodeFile(dataDir, serving.file)
  logger.info({ provider_id: serving.file.provider_id, http_url: serving.file.http_url }, 'ready')
  ready(serving.file)

  const signal = await signalled
  logger.info({ signal }, 'stopping')
  removeNodeFile(dataDir)
  try {
    await serving.stop()
  } catch (error) {
    logger.error({ err: error }, 'the node did not stop cleanly')
    process.exit(EXIT.failure)
  }
  logger.info('stopped')
  process.exit(EXIT.ok)
}

/** Resolves with the first signal. From then on the time to stop runs, and the next signal ends the process. */
function watchSignals(logger: Logger): Promise<NodeJS.Signals> {
  const { promise, resolve } = Promise.withResolvers<NodeJS.Signals>()
  let stopping = false
  for (const signal of SIGNALS) {
    process.on(signal, () => {
      if (stopping) process.exit(EXIT.failure)
      stopping = true
      setTimeout(() => {
        logger.error(`stopping took longer than ${STOP_MS} ms`)
        process.exit(EXIT.failure)
      }, STOP_MS).unref()
      resolve(signal)
    })
  }
  return promise
}

/** A defect that nothing caught leaves the node in an unknown state: it is logged, and the process ends. The store survives that. */
function endOnDefects(dataDir: string, logger: Logger): void {
  process.on('uncaughtException', (error) => {
    logger.fatal({ err: error }, 'uncaught error')
    removeNodeFile(dataDir)
    process.exit(EXIT.failure)
  })
}

/** Readers see the whole file or none. */
function writeNodeFile(dataDir: string, file: NodeFile): void {
  const path = nodeFilePath(dataDir)
  const partial = `${path}.${process.pid}.tmp`
  makeDirectory(dataDir)
  writeFileSync(partial, `${JSON.stringify(file)}\n`)
  renameSync(partial, path)
}

/** The file is this process's: whoever gets here holds the data directory's lock. */
function removeNodeFile(dataDir: string): void {
  rmSync(nodeFilePath(dataDir), { force: true })
}
