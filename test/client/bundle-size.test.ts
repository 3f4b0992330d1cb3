import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import { test } from 'node:test'
import { promisify } from 'node:util'
import { gzip } from 'node:zlib'
import { bundleOf } from './bundle.ts'

/** Kilobytes (1000 bytes) of the whole SDK with all that it imports, minified and compressed: what a page loads on a slow phone within a second. */
const MOST = 150
const readme = await readFile('README.md', 'utf8')

test('the SDK stays within its size, and README.md says how large it is', async () => {
  const compressed = await promisify(gzip)(await bundleOf('*'), { level: 9 })
  const size = Math.ceil(compressed.length / 1000)
  assert(size <= MOST, `it has ${size} KB, allowed are ${MOST}`)
  const said = /\*\*([0-9]+) KB\*\* minified and compressed/.exec(readme)?.[1]
  assert(said !== undefined, 'README.md says "**… KB** minified and compressed"')
  assert(Math.abs(Number(said) - size) <= 3, `README.md says ${said} KB, it has ${size}`)
})
