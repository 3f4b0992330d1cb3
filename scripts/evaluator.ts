/** Assembles an evaluator that is written as WebAssembly text, and says whether nodes take it: `npm run evaluator -- <source.wat> <module.wasm>`. */
import { readFile, writeFile } from 'node:fs/promises'
import { parse } from '@bytecodealliance/jco-transpile/wasm-tools'
import { sha256Hex } from '../src/kernel/base/hash.ts'
import { instrument } from '../src/providers/evaluators/instrument.ts'

const [source, target] = process.argv.slice(2)
if (source === undefined || target === undefined) {
  console.error('usage: npm run evaluator -- <source.wat> <module.wasm>')
  process.exitCode = 2
} else {
  const module = await parse(await readFile(source, 'utf8'))
  instrument(module)
  await writeFile(target, module)
  console.log(`${target}: ${module.length} bytes, sha256:${sha256Hex(module)}`)
}
