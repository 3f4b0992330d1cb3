import assert from 'node:assert/strict'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { CONFIG_KEYS } from '../../../src/kernel/config/keys.ts'
import { loadConfig } from '../../../src/kernel/config/load.ts'
import { readYaml } from '../../../src/kernel/config/read-yaml.ts'

const FOLDER = join(import.meta.dirname, '..', '..', '..', 'config')
const text = readFileSync(join(FOLDER, 'default.yaml'), 'utf8')

test("default.yaml has exactly the schema's keys, in its order", () => {
  assert.deepEqual(
    readYaml(text, 'default').map(({ key }) => key.name),
    CONFIG_KEYS.map(({ name }) => name),
  )
})

test('environment names are unique, and none is a name of the documents with another meaning', () => {
  const names = CONFIG_KEYS.flatMap(({ environment }) => environment ?? [])
  assert.equal(new Set(names).size, names.length)
  assert.ok(
    !names.includes('CYTOPLEX_CONFIG') && !names.includes('CYTOPLEX_URL') && !names.includes('CYTOPLEX_ADMIN_KEY'),
  )
})

test('every key is documented where it stands, with its environment name if it has one', () => {
  const documented = new Map<string, string>()
  let section = ''
  let comment: string[] = []
  for (const line of text.split('\n')) {
    const [, indent, name, value] = /^( {0,2})([a-z0-9_]+):(.*)$/.exec(line) ?? []
    if (line.trimStart().startsWith('#')) comment.push(line)
    else if (name === undefined) comment = []
    else {
      if (indent === '' && value === '') section = `${name}.`
      else documented.set(indent === '' ? name : section + name, comment.join('\n'))
      comment = []
    }
  }
  for (const { name, environment } of CONFIG_KEYS) {
    const words = documented.get(name) ?? ''
    if (environment === undefined) assert.doesNotMatch(words, /^$|Environment: /, name)
    else assert.match(words, new RegExp(`# \\S.*Environment: ${environment}$`, 's'), name)
  }
})

test('the example federation is valid, and its nodes do not collide', () => {
  const folder = join(FOLDER, 'federation')
  const configs = readdirSync(folder).map(
    (name) => loadConfig({ file: join(folder, name), env: { HOME: '/home/x' } }).config,
  )
  assert.equal(configs.length, 3)
  const taken = configs.flatMap(({ data_dir, http, p2p }) => [data_dir, http.port, p2p.port])
  assert.equal(new Set(taken).size, 9)
})
