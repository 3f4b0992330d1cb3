import { readFile } from 'node:fs/promises'
import { describe, it } from 'node:test'
import { fileURLToPath } from 'node:url'
import { gzipSync } from 'node:zlib'
import { parse } from '@bytecodealliance/jco-transpile/wasm-tools'
import { validatorSuite } from '../../../src/kernel/plugins/suites/validators.ts'
import { createContainerValidator } from '../../../src/providers/validators/container.ts'
import { createDocumentValidator } from '../../../src/providers/validators/document.ts'
import { createQccValidator } from '../../../src/providers/validators/qcc.ts'
import { createWasmValidator } from '../../../src/providers/validators/wasm.ts'
import { exampleLayout, tar } from './archives.ts'

const { signal } = new AbortController()
const module = await readFile(
  fileURLToPath(new URL('../../../node_modules/source-map/lib/mappings.wasm', import.meta.url)),
)
const component = await parse('(component (core module (func (result i32) i32.const 1)))')
const layout = await (await exampleLayout()).pack()
const archive = gzipSync(await tar(['manifest.json', '{"name":"example"}'], ['src/main.py', 'print(1)\n']))
const climbing = gzipSync(await tar(['manifest.json', '{}'], ['../outside', '']))

describe('wasm', () => {
  const common = { format: 'wasm', mediaType: 'application/wasm' }
  validatorSuite({
    test: it,
    factory: () => createWasmValidator(signal, {}),
    samples: [
      { ...common, name: 'a module', bytes: module, valid: true },
      { ...common, name: 'half a module', bytes: module.subarray(0, 20_000), valid: false },
    ],
  })
})

describe('wasm, components', () => {
  const common = { format: 'wasm', mediaType: 'application/wasm' }
  validatorSuite({
    test: it,
    factory: () => createWasmValidator(signal, {}),
    samples: [
      { ...common, name: 'a component', bytes: component, valid: true },
      { ...common, name: 'half a component', bytes: component.subarray(0, 30), valid: false },
    ],
  })
})

describe('container', () => {
  const common = { format: 'container', mediaType: 'application/x-tar' }
  validatorSuite({
    test: it,
    factory: () => createContainerValidator(signal, {}),
    samples: [
      { ...common, name: 'a layout', bytes: layout, valid: true },
      { ...common, name: 'half a layout', bytes: layout.subarray(0, layout.length / 2), valid: false },
    ],
  })
})

describe('qcc', () => {
  const common = { format: 'qcc', mediaType: 'application/gzip' }
  validatorSuite({
    test: it,
    factory: () => createQccValidator(signal, {}),
    samples: [
      { ...common, name: 'an archive', bytes: archive, valid: true },
      { ...common, name: 'an archive that climbs', bytes: climbing, valid: false },
    ],
  })
})

describe('document', () => {
  const text = Buffer.from('Ein längerer Text. 😀\n'.repeat(100_000))
  validatorSuite({
    test: it,
    factory: () => createDocumentValidator(signal, {}),
    samples: [
      { name: 'a text', bytes: text, format: 'document', mediaType: 'text/plain', valid: true },
      { name: 'a picture', bytes: text, format: 'document', mediaType: 'image/png', valid: false },
      {
        name: 'broken JSON',
        bytes: Buffer.from('{"a":'),
        format: 'document',
        mediaType: 'application/json',
        valid: false,
      },
    ],
  })
})
