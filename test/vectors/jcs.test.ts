import assert from 'node:assert/strict'
import { readdir, readFile } from 'node:fs/promises'
import { test } from 'node:test'
import { fromHex, utf8 } from '../../src/kernel/base/bytes.ts'
import { canonicalJson } from '../../src/kernel/base/canonical-json.ts'
import { parseStrictJson } from '../../src/kernel/base/strict-json.ts'

const folder = new URL('../../protocol/vectors/jcs/testdata/', import.meta.url)

test('RFC 8785 test data: every input has the given canonical bytes', async () => {
  const names = await readdir(new URL('input/', folder))
  assert.ok(names.length >= 6)
  for (const name of names) {
    const canonical = utf8(canonicalJson(parseStrictJson(await readFile(new URL(`input/${name}`, folder)))))
    const output = await readFile(new URL(`output/${name}`, folder))
    const hex = await readFile(new URL(`outhex/${name.replace('.json', '.txt')}`, folder), 'utf8')
    assert.deepEqual([...canonical], [...output], name)
    assert.deepEqual([...canonical], [...fromHex(hex.replaceAll(/\s/g, ''))], name)
  }
})
