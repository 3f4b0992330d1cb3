import { Type } from 'typebox'
import { ProviderPackage, ProviderPackages, RegisteredProvider } from '../../../protocol/providers.ts'
import { DeleteResponse } from '../../../protocol/repository.ts'
import { sendJson } from '../respond.ts'
import { type Route, route } from '../route.ts'

const Name = Type.String({ minLength: 1, maxLength: 64 })

/** The provider registry: which parts of a node can be replaced, by what, and how that is configured. */
export const providerRoutes: readonly Route[] = [
  route({
    method: 'GET',
    path: '/api/v1/providers',
    access: 'admin',
    family: 'discovery',
    bodyLimit: 0,
    summary: 'Packages of the provider registry',
    answers: { 200: { description: 'Packages', schema: ProviderPackages } },
    handler:
      ({ node }) =>
      (request, reply) =>
        sendJson(request, reply, 200, { packages: node.providers.packages() }),
  }),
  route({
    method: 'GET',
    path: '/api/v1/providers/:package',
    access: 'admin',
    family: 'discovery',
    bodyLimit: 0,
    summary: 'One package of the provider registry',
    params: Type.Object({ package: Name }),
    answers: {
      200: { description: 'The package', schema: ProviderPackage },
      404: { description: 'No such package', schema: DeleteResponse },
    },
    handler:
      ({ node }) =>
      (request, reply) =>
        sendJson(request, reply, 200, node.providers.package(request.params.package)),
  }),
  route({
    method: 'GET',
    path: '/api/v1/providers/:package/:name',
    access: 'admin',
    family: 'discovery',
    bodyLimit: 0,
    summary: 'One provider: what it can do, and its configuration',
    params: Type.Object({ package: Name, name: Name }),
    answers: {
      200: { description: 'The provider', schema: RegisteredProvider },
      404: { description: 'No such package or provider', schema: DeleteResponse },
    },
    handler:
      ({ node }) =>
      (request, reply) =>
        sendJson(request, reply, 200, node.providers.info(request.params.package, request.params.name)),
  }),
]
