import { Type } from 'typebox'
import { Digest } from '../../../protocol/fields.ts'
import { LIMITS } from '../../../protocol/limits.ts'
import { DeleteResponse } from '../../../protocol/repository.ts'
import { BundleOrder, BundleReport, FsckOrder, GarbageReport } from '../../../protocol/upkeep.ts'
import { utf8 } from '../../kernel/base/bytes.ts'
import { ProviderError } from '../../kernel/base/errors.ts'
import type { LogRing } from '../../kernel/telemetry/log-ring.ts'
import { callerOf, sendJson } from '../respond.ts'
import { type Route, route } from '../route.ts'
import { asLines, LINES_TYPE, sendStream } from '../send-stream.ts'
import { untilGone } from '../until-gone.ts'

const shared = { access: 'admin', family: 'discovery', bodyLimit: 0 } as const
const forbidden = { description: 'The credential is not an administrator', schema: DeleteResponse }
const invalid = { description: 'A field is not valid', schema: DeleteResponse }
const noJson = { description: 'The body is no JSON', schema: DeleteResponse }
const tooLarge = { description: 'The body is too large', schema: DeleteResponse }
const TAR_TYPE = 'application/x-tar'
const DryRun = Type.Object({
  dry_run: Type.Optional(Type.Boolean({ description: 'Say what would be done, and do nothing.' })),
})

/** Lines of the log that are sent at once to who only looks. */
const DEFAULT_LINES = 200
const LogQuery = Type.Object({
  limit: Type.Optional(Type.Integer({ minimum: 0, maximum: 2000, description: 'How many of the newest lines.' })),
  follow: Type.Optional(Type.Boolean({ description: 'Go on with the lines that come.' })),
})

/** Looking after a node's data: backups, checks, bundles, and what its log says. */
export const upkeepRoutes: readonly Route[] = [
  route({
    ...shared,
    method: 'GET',
    path: '/api/v1/backup/snapshot',
    summary:
      'Everything that the store holds at this moment, as lines of JSON; packages are named in it and fetched apart',
    answers: { 200: { description: 'The lines', mediaType: LINES_TYPE }, 403: forbidden },
    handler:
      ({ node }) =>
      (request, reply) =>
        untilGone(request, async (signal) => {
          const lines = await node.upkeep.snapshot(callerOf(request), signal)
          await sendStream(request, reply, { type: LINES_TYPE }, lines, signal)
        }),
  }),
  route({
    ...shared,
    method: 'GET',
    path: '/api/v1/backup/packages/:digest',
    summary: 'A package that is here, without asking peers for it',
    params: Type.Object({ digest: Digest }),
    answers: {
      200: { description: 'The bytes', mediaType: 'application/octet-stream' },
      400: invalid,
      403: forbidden,
      404: { description: 'The package is not here', schema: DeleteResponse },
    },
    handler:
      ({ node }) =>
      (request, reply) =>
        untilGone(request, async (signal) => {
          const { digest } = request.params
          const source = await node.upkeep.package(digest)
          if (source === undefined) throw new ProviderError('PROV_002', `${digest} is not here`, { status: 404 })
          try {
            const pieces = source.read(0, source.size - 1, signal)
            await sendStream(request, reply, { type: 'application/octet-stream' }, copied(pieces), signal)
          } finally {
            await source.close()
          }
        }),
  }),
  route({
    ...shared,
    method: 'POST',
    path: '/api/v1/fsck',
    summary: 'Verify everything that is stored: logs, records, signatures, indexes and every package; may take long',
    bodyLimit: LIMITS.jsonBodyBytes,
    body: FsckOrder,
    answers: {
      200: { description: 'Findings and progress as lines of JSON, a summary last', mediaType: LINES_TYPE },
      400: invalid,
      403: forbidden,
      413: tooLarge,
      415: noJson,
    },
    handler:
      ({ node }) =>
      (request, reply) =>
        untilGone(request, async (signal) => {
          const lines = await node.upkeep.fsck(request.body, callerOf(request), signal)
          await sendStream(request, reply, { type: LINES_TYPE, heartbeat: true }, asLines(lines), signal)
        }),
  }),
  route({
    ...shared,
    method: 'POST',
    path: '/api/v1/gc',
    summary: 'Remove what nothing refers to any more',
    query: DryRun,
    answers: { 200: { description: 'What was found', schema: GarbageReport }, 400: invalid, 403: forbidden },
    handler:
      ({ node }) =>
      (request, reply) =>
        untilGone(request, async (signal) => {
          const { dry_run: dryRun = false } = request.query
          sendJson(request, reply, 200, await node.upkeep.collectGarbage(dryRun, callerOf(request), signal))
        }),
  }),
  route({
    ...shared,
    method: 'POST',
    path: '/api/v1/bundles/export',
    summary: 'A bundle of cells with what they depend on, for nodes that cannot connect',
    bodyLimit: LIMITS.jsonBodyBytes,
    body: BundleOrder,
    answers: {
      200: { description: 'A tar archive', mediaType: TAR_TYPE },
      400: invalid,
      403: forbidden,
      404: { description: 'A cell is not here', schema: DeleteResponse },
      409: { description: 'The log does not begin with that checkpoint', schema: DeleteResponse },
      413: tooLarge,
      415: noJson,
    },
    handler:
      ({ node }) =>
      (request, reply) =>
        untilGone(request, async (signal) => {
          const archive = await node.upkeep.exportBundle(request.body, signal)
          await sendStream(request, reply, { type: TAR_TYPE, name: 'cytoplex-bundle.tar' }, archive, signal)
        }),
  }),
  route({
    ...shared,
    method: 'POST',
    path: '/api/v1/bundles/import',
    summary: 'Take in a bundle, verified as if a stranger had sent it; what is here already stays as it is',
    streamed: TAR_TYPE,
    query: DryRun,
    answers: {
      200: { description: 'What became of each part', schema: BundleReport },
      400: { description: 'This is no bundle, or one of another network', schema: DeleteResponse },
      403: forbidden,
      415: { description: 'The body is no tar archive', schema: DeleteResponse },
    },
    handler:
      ({ node }) =>
      (request, reply) =>
        untilGone(request, async (signal) => {
          const { dry_run: dryRun = false } = request.query
          const report = await node.upkeep.importBundle(request.raw, dryRun, callerOf(request), signal)
          sendJson(request, reply, 200, report)
        }),
  }),
  route({
    ...shared,
    method: 'GET',
    path: '/api/v1/logs',
    summary: "The newest lines of the node's log, and with follow those that come",
    query: LogQuery,
    answers: { 200: { description: 'Lines of JSON', mediaType: LINES_TYPE }, 400: invalid, 403: forbidden },
    handler:
      ({ logs }) =>
      (request, reply) =>
        untilGone(request, (signal) => {
          const { limit = DEFAULT_LINES, follow = false } = request.query
          return sendStream(
            request,
            reply,
            { type: LINES_TYPE, heartbeat: true },
            lines(logs, limit, follow, signal),
            signal,
          )
        }),
  }),
]

async function* lines(logs: LogRing, limit: number, follow: boolean, signal: AbortSignal): AsyncGenerator<Uint8Array> {
  let number = Math.max(0, logs.newest - limit)
  // Even without a line the answer begins at once.
  yield new Uint8Array()
  do {
    for (const line of logs.after(number)) {
      number = line.number
      yield utf8(`${line.text}\n`)
    }
    if (follow) await logs.more(number, signal)
  } while (follow && !signal.aborted)
}

/** Sources use their buffers again. */
async function* copied(pieces: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  for await (const piece of pieces) yield piece.slice()
}
