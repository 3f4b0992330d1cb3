import type { FastifyRequest } from 'fastify'
import type { SessionAccess } from '../node/memory-api.ts'

/** What the token of a request allows, on routes that take one: the guard let nobody else through. */
export const sessionOf = ({ exchange }: Pick<FastifyRequest, 'exchange'>): SessionAccess => exchange.session!
