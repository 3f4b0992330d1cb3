import type { FastifyRequest } from 'fastify'
import { Type } from 'typebox'
import { Name, SemVer } from '../../../protocol/fields.ts'
import { LIMITS } from '../../../protocol/limits.ts'
import { Manifest, SignatureToken } from '../../../protocol/manifest.ts'
import {
  CellChange,
  CellDetails,
  CellListQuery,
  CellListResponse,
  CellMetadata,
  CellUpdateMetadata,
  DeleteResponse,
  RegisterResponse,
  ValidateResponse,
  YankAnswer,
  YankOrder,
  YankQuery,
} from '../../../protocol/repository.ts'
import type { Editor, Registered } from '../../node/api.ts'
import { assertStillCounts } from '../credentials.ts'
import { sendJson } from '../respond.ts'
import { type Answer, type Route, route } from '../route.ts'
import { receiveUpdate, receiveUpload } from '../upload.ts'

/** Who owns what is registered with the administrator's key. */
const ADMINISTRATOR = 'admin'

const notFound: Answer = { description: 'Cell not found', schema: DeleteResponse }

const cellPackage = Type.String({ format: 'binary', description: 'The package.' })
const signedParts = { manifest: Type.Optional(Manifest), manifest_signature: Type.Optional(SignatureToken) }
const registration = Type.Object({ metadata: CellMetadata, cell_package: cellPackage, ...signedParts })

/** Provider API, "Cell Repository Management API". */
export const repositoryRoutes: readonly Route[] = [
  route({
    method: 'GET',
    path: '/api/v1/repository/cells',
    access: 'reader',
    family: 'repository',
    bodyLimit: 0,
    summary: 'List the cells of this repository',
    query: CellListQuery,
    answers: { 200: { description: 'Cells', schema: CellListResponse } },
    handler:
      ({ node }) =>
      async (request, reply) =>
        sendJson(request, reply, 200, await node.listCells(request.query)),
  }),
  route({
    method: 'POST',
    path: '/api/v1/repository/cells',
    access: 'publisher',
    family: 'repository',
    bodyLimit: 0,
    summary: 'Register a new cell',
    multipart: registration,
    answers: {
      201: { description: 'Registered, and durable', schema: RegisterResponse },
      400: { description: 'A part is missing or not valid', schema: RegisterResponse },
      409: { description: 'The version exists', schema: RegisterResponse },
      413: { description: 'A part is too large', schema: RegisterResponse },
      415: { description: 'The body is not multipart/form-data', schema: RegisterResponse },
    },
    handler:
      ({ node, maxPackageBytes, credential }) =>
      async (request, reply) => {
        const upload = await receiveUpload(request.raw, (bytes) => node.stagePackage(bytes), maxPackageBytes)
        try {
          assertStillCounts(credential(request.headers))
          const registered = await node.registerCell({
            ...upload,
            credential: request.exchange.caller?.name ?? ADMINISTRATOR,
          })
          sendJson(request, reply, 201, registerResponse(registered, 'registered'))
        } finally {
          await upload.package.discard()
        }
      },
  }),
  route({
    method: 'POST',
    path: '/api/v1/repository/validate',
    access: 'publisher',
    family: 'repository',
    bodyLimit: 0,
    summary: 'Check a cell as registering does, without storing anything',
    multipart: registration,
    answers: {
      200: { description: 'Everything that was found', schema: ValidateResponse },
      400: { description: 'A part is missing or cannot be read', schema: RegisterResponse },
      413: { description: 'A part is too large', schema: RegisterResponse },
      415: { description: 'The body is not multipart/form-data', schema: RegisterResponse },
    },
    handler:
      ({ node, maxPackageBytes }) =>
      async (request, reply) => {
        const upload = await receiveUpload(request.raw, (bytes) => node.stagePackage(bytes), maxPackageBytes)
        try {
          const results = await node.validateCell({
            ...upload,
            credential: request.exchange.caller?.name ?? ADMINISTRATOR,
          })
          const invalid = results.issues.some(({ severity }) => severity === 'error')
          sendJson(request, reply, 200, { status: invalid ? 'invalid' : 'valid', validation_results: results })
        } finally {
          await upload.package.discard()
        }
      },
  }),
  route({
    method: 'PUT',
    path: '/api/v1/repository/cells/:cell_type',
    access: 'publisher',
    family: 'repository',
    bodyLimit: 0,
    summary: 'Register a new version of a cell; what is not sent is taken from the highest one',
    params: Type.Object({ cell_type: Name }),
    multipart: Type.Object({
      metadata: CellUpdateMetadata,
      version: Type.Optional(SemVer),
      cell_package: Type.Optional(cellPackage),
      ...signedParts,
    }),
    answers: {
      200: { description: 'Registered, and durable', schema: RegisterResponse },
      400: { description: 'A part is missing or not valid', schema: RegisterResponse },
      404: { description: 'No cell of that type', schema: RegisterResponse },
      409: { description: 'The version exists', schema: RegisterResponse },
      413: { description: 'A part is too large', schema: RegisterResponse },
      415: { description: 'The body is not multipart/form-data', schema: RegisterResponse },
    },
    handler:
      ({ node, maxPackageBytes, credential }) =>
      async (request, reply) => {
        const upload = await receiveUpdate(request.raw, (bytes) => node.stagePackage(bytes), maxPackageBytes)
        try {
          assertStillCounts(credential(request.headers))
          const updated = await node.updateCell({
            ...upload,
            cellType: request.params.cell_type,
            credential: request.exchange.caller?.name ?? ADMINISTRATOR,
          })
          sendJson(request, reply, 200, registerResponse(updated, 'registered as a new version'))
        } finally {
          await upload.package?.discard()
        }
      },
  }),
  route({
    method: 'PATCH',
    path: '/api/v1/repository/cells/:cell_type/:version',
    access: 'publisher',
    family: 'repository',
    bodyLimit: LIMITS.jsonBodyBytes,
    summary: "Change a version's status, description or tags; publishers change what they registered",
    params: Type.Object({ cell_type: Name, version: SemVer }),
    body: CellChange,
    answers: {
      200: { description: 'Changed, and durable', schema: CellDetails },
      403: { description: 'Somebody else registered it', schema: DeleteResponse },
      404: notFound,
    },
    handler:
      ({ node }) =>
      async (request, reply) => {
        const { cell_type, version } = request.params
        sendJson(request, reply, 200, await node.annotateCell(cell_type, version, request.body, editorOf(request)))
      },
  }),
  route({
    method: 'POST',
    path: '/api/v1/repository/cells/:cell_type/:version/yank',
    access: 'publisher',
    family: 'repository',
    bodyLimit: LIMITS.jsonBodyBytes,
    summary:
      'Withdraw a version, or take that back: it is never resolved to, and can still be downloaded by its digest',
    params: Type.Object({ cell_type: Name, version: SemVer }),
    query: YankQuery,
    body: YankOrder,
    answers: {
      200: { description: 'Said, and durable', schema: YankAnswer },
      400: { description: 'A field or the signature of a yank is not valid', schema: DeleteResponse },
      403: { description: 'The cell belongs to somebody else', schema: DeleteResponse },
      404: notFound,
      409: { description: 'What was said before forbids it, or several cells are meant', schema: DeleteResponse },
    },
    handler:
      ({ node }) =>
      async (request, reply) => {
        const { cell_type, version } = request.params
        const { yank: token, undo = false, reason, message } = request.body
        const { caller } = request.exchange
        const said = await node.yankCell({
          cellType: cell_type,
          version,
          cellId: request.query.cell_id,
          token,
          reason,
          message,
          undo,
          credential: caller?.name ?? ADMINISTRATOR,
          isAdmin: caller?.role === 'admin',
        })
        const answer: YankAnswer = {
          status: 'success',
          message: `${cell_type} ${version} ${said.yanked ? 'was yanked' : 'is not yanked any more'} by its ${said.by}`,
          cell_id: said.cellId,
          yanked: said.yanked,
          counter: said.counter,
          by: said.by,
        }
        sendJson(request, reply, 200, answer)
      },
  }),
  route({
    method: 'GET',
    path: '/api/v1/repository/cells/:cell_type',
    access: 'reader',
    family: 'repository',
    bodyLimit: 0,
    summary: 'Details of a cell: the version asked for, else the highest',
    params: Type.Object({ cell_type: Name }),
    query: Type.Object({ version: Type.Optional(SemVer) }),
    answers: { 200: { description: 'The cell', schema: CellDetails }, 404: notFound },
    handler:
      ({ node }) =>
      (request, reply) =>
        sendJson(request, reply, 200, node.cellDetails(request.params.cell_type, request.query.version)),
  }),
  route({
    method: 'DELETE',
    path: '/api/v1/repository/cells/:cell_type/:version',
    access: 'publisher',
    family: 'repository',
    bodyLimit: 0,
    summary: 'Delete a version of a cell; publishers delete what they registered',
    params: Type.Object({ cell_type: Name, version: SemVer }),
    answers: {
      200: { description: 'Deleted, and durable', schema: DeleteResponse },
      403: { description: 'Somebody else registered it, or an active cell depends on it', schema: DeleteResponse },
      404: notFound,
    },
    handler:
      ({ node }) =>
      async (request, reply) => {
        const { cell_type, version } = request.params
        await node.deleteCell(cell_type, version, editorOf(request))
        sendJson(request, reply, 200, { status: 'success', message: `${cell_type} ${version} was deleted` })
      },
  }),
]

/** Who changes something; nobody in particular may change nothing. */
const editorOf = ({ exchange }: FastifyRequest): Editor => ({
  credential: exchange.caller?.name ?? '',
  isAdmin: exchange.caller?.role === 'admin',
})

function registerResponse({ cellId, manifest, signedBy, validation }: Registered, done: string): RegisterResponse {
  return {
    status: 'success',
    cell_type: manifest.cell_type,
    version: manifest.version,
    cell_id: cellId,
    digest: manifest.package.digest,
    publisher: manifest.publisher,
    signed_by: signedBy,
    message: `${manifest.cell_type} ${manifest.version} was ${done}`,
    validation_results: validation,
  }
}
