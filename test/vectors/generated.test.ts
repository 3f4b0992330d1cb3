import assert from 'node:assert/strict'
import { readdir, readFile } from 'node:fs/promises'
import { test } from 'node:test'
import { buildVectors } from '../../scripts/vectors.ts'

const folder = new URL('../../protocol/vectors/', import.meta.url)

/** Files that come from elsewhere. */
const FOREIGN = ['jcs', 'merkle-log.json']

test('the generator reproduces every committed vector file', async () => {
  const built = await buildVectors()
  assert.deepEqual((await readdir(folder)).sort(), [...FOREIGN, ...built.keys()].sort())
  for (const [name, text] of built) {
    assert.equal(await readFile(new URL(name, folder), 'utf8'), text, `${name} differs; run: npm run vectors`)
  }
})
