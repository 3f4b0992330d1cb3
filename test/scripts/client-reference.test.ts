import assert from 'node:assert/strict'
import { test } from 'node:test'
import { clientReference, exportedNames } from '../../scripts/client-reference.ts'
import * as files from '../../src/client/file-cache.ts'
import * as client from '../../src/client/index.ts'

const names = [...exportedNames('cytoplex/client'), ...exportedNames('cytoplex/client/file-cache')]
const reference = clientReference()

test('the reference has everything that the SDK exports', () => {
  const found = new Set(names.map(({ name }) => name))
  assert.deepEqual(
    Object.keys({ ...client, ...files }).filter((name) => !found.has(name)),
    [],
  )
  for (const { name } of names) assert(reference.includes(`### \`${name}\`\n`), name)
})

test('everything that the SDK exports has a doc comment, and so has every method', () => {
  const bare = names.flatMap(({ name, doc, members }) => [
    ...(doc === '' ? [name] : []),
    ...members
      .filter((one) => one.doc === '' && /^(?!constructor)\w+\(/.test(one.declaration))
      .map((one) => `${name}: ${one.declaration}`),
  ])
  assert.deepEqual(bare, [])
})

test('signatures, docs of members and links to other names are there', () => {
  assert.match(
    reference,
    /^function assemble\(capability: string, options: ClientOptions & AssembleOptions\): Promise<Assembly>$/m,
  )
  assert.match(
    reference,
    /^- `request\(ask: CapabilityAsk\): Promise<Cell>` {2}\n {2}Finds the best cell for a capability/m,
  )
  assert.match(reference, /\[`Assembly`\]\(#assembly\)/)
  assert.match(reference, /^### `QueryResponse`\n\n```ts\ntype QueryResponse = \{\n/m)
  assert.doesNotMatch(reference, /#transport|@link/)
})
