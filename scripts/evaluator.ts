/** Assembles an evaluator that is written as WebAssembly text, if nodes take it: `npm run evaluator -- <source.wat> <module.wasm>`. */
import { readFile, writeFile } from 'node:fs/promises'
import { parse } from '@bytecodealliance/jco-transpile/wasm-tools'
import { errorMessage } from '../src/kernel/base/errors.ts'
import { sha256Hex } from '../src/kernel/base/hash.ts'
import { createWasmEvaluator } from '../src/providers/evaluators/wasm.ts'

/** Throws the reason of whatever is wrong with it. */
async function assemble(source: string, target: string): Promise<void> {
  const module = await parse(await readFile(source, 'utf8'))
  const digest = `sha256:${sha256Hex(module)}`
  const evaluator = createWasmEvaluator(new AbortController().signal, {})
  try {
    await evaluator.prepare(digest, module)
  } finally {
    await evaluator.close()
  }
  await writeFile(target, module)
  console.log(`${target}: ${module.length} bytes, ${digest}`)
}

const [source, target] = process.argv.slice(2)
if (source === undefined || target === undefined) {
  console.error('usage: npm run evaluator -- <source.wat> <module.wasm>')
  process.exitCode = 2
} else {
  await assemble(source, target).catch((error: unknown) => {
    console.error(`${source}: ${errorMessage(error)}`)
    process.exitCode = 1
  })
}
