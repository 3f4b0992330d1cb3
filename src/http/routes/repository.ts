import { Type } from 'typebox'
import { Name, SemVer } from '../../../protocol/fields.ts'
import { Manifest, SignatureToken } from '../../../protocol/manifest.ts'
import {
  CellDetails,
  CellListQuery,
  CellListResponse,
  CellMetadata,
  DeleteResponse,
  RegisterResponse,
} from '../../../protocol/repository.ts'
import type { Registered } from '../../node/api.ts'
import { sendJson } from '../respond.ts'
import { type Answer, type Route, route } from '../route.ts'
import { receiveUpload } from '../upload.ts'

/** Who owns what is registered with the administrator's key. */
const ADMINISTRATOR = 'admin'

const unauthorized: Answer = { description: "The administrator's key is missing or wrong", schema: DeleteResponse }
const notFound: Answer = { description: 'Cell not found', schema: DeleteResponse }
const invalid: Answer = { description: 'A field is not valid', schema: DeleteResponse }

/** Provider API, "Cell Repository Management API". */
export const repositoryRoutes: readonly Route[] = [
  route({
    method: 'GET',
    path: '/api/v1/repository/cells',
    access: 'open',
    family: 'repository',
    bodyLimit: 0,
    summary: 'List the cells of this repository',
    query: CellListQuery,
    answers: { 200: { description: 'Cells', schema: CellListResponse }, 400: invalid },
    handler:
      ({ node }) =>
      async (request, reply) =>
        sendJson(request, reply, 200, await node.listCells(request.query)),
  }),
  route({
    method: 'POST',
    path: '/api/v1/repository/cells',
    access: 'admin',
    family: 'repository',
    bodyLimit: 0,
    summary: 'Register a new cell',
    multipart: Type.Object({
      metadata: CellMetadata,
      cell_package: Type.String({ format: 'binary', description: 'The package.' }),
      manifest: Type.Optional(Manifest),
      manifest_signature: Type.Optional(SignatureToken),
    }),
    answers: {
      201: { description: 'Registered, and durable', schema: RegisterResponse },
      400: { description: 'A part is missing or not valid', schema: RegisterResponse },
      401: unauthorized,
      409: { description: 'The version exists', schema: RegisterResponse },
      413: { description: 'A part is too large', schema: RegisterResponse },
      415: { description: 'The body is not multipart/form-data', schema: RegisterResponse },
    },
    handler:
      ({ node, maxPackageBytes }) =>
      async (request, reply) => {
        const upload = await receiveUpload(request.raw, (bytes) => node.stagePackage(bytes), maxPackageBytes)
        try {
          const registered = await node.registerCell({ ...upload, credential: ADMINISTRATOR })
          sendJson(request, reply, 201, registerResponse(registered))
        } finally {
          await upload.package.discard()
        }
      },
  }),
  route({
    method: 'GET',
    path: '/api/v1/repository/cells/:cell_type',
    access: 'open',
    family: 'repository',
    bodyLimit: 0,
    summary: 'Details of a cell: the version asked for, else the highest',
    params: Type.Object({ cell_type: Name }),
    query: Type.Object({ version: Type.Optional(SemVer) }),
    answers: { 200: { description: 'The cell', schema: CellDetails }, 400: invalid, 404: notFound },
    handler:
      ({ node }) =>
      (request, reply) =>
        sendJson(request, reply, 200, node.cellDetails(request.params.cell_type, request.query.version)),
  }),
  route({
    method: 'DELETE',
    path: '/api/v1/repository/cells/:cell_type/:version',
    access: 'admin',
    family: 'repository',
    bodyLimit: 0,
    summary: 'Delete a version of a cell',
    params: Type.Object({ cell_type: Name, version: SemVer }),
    answers: {
      200: { description: 'Deleted, and durable', schema: DeleteResponse },
      400: invalid,
      401: unauthorized,
      403: { description: 'An active cell depends on this version', schema: DeleteResponse },
      404: notFound,
    },
    handler:
      ({ node }) =>
      async (request, reply) => {
        const { cell_type, version } = request.params
        await node.deleteCell(cell_type, version)
        sendJson(request, reply, 200, { status: 'success', message: `${cell_type} ${version} was deleted` })
      },
  }),
]

function registerResponse({ cellId, manifest, signedBy, validation }: Registered): RegisterResponse {
  return {
    status: 'success',
    cell_type: manifest.cell_type,
    version: manifest.version,
    cell_id: cellId,
    digest: manifest.package.digest,
    publisher: manifest.publisher,
    signed_by: signedBy,
    message: `${manifest.cell_type} ${manifest.version} was registered`,
    validation_results: validation,
  }
}
