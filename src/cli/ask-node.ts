import type { Static, TSchema } from 'typebox'
import { Check } from 'typebox/value'
import type { Client } from '../client/index.ts'
import { CliError, EXIT } from './exit-codes.ts'
import { resolveTarget, type TargetOptions } from './target.ts'

/** What a node answered. */
export interface NodeAnswer<Schema extends TSchema> {
  /** Base URL of the node. */
  readonly url: string
  /** For further questions. */
  readonly client: Client
  readonly answer: Static<Schema>
}

/** Asks the node that the flags name, or lets it act. Throws `CliError` when what answers is no Cytoplex node, and what the client throws. */
export async function askNode<Schema extends TSchema>(
  options: TargetOptions,
  path: string,
  schema: Schema,
  act?: { readonly method: string; readonly body?: object },
): Promise<NodeAnswer<Schema>> {
  const { url, apiKey } = resolveTarget(options)
  const { createClient } = await import('../client/index.ts')
  const client = createClient({ nodes: url, apiKey, retries: 0 })
  const answer = act === undefined ? await client.get(path) : await client.send(act.method, path, act.body)
  if (Check(schema, answer)) return { url, client, answer }
  throw new CliError(`${url} answered, but not as a Cytoplex node does`, EXIT.failure, 'BAD_ANSWER')
}
