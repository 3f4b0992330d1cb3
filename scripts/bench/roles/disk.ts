import { open, rename } from 'node:fs/promises'
import { join } from 'node:path'
import { Level } from 'level'
import { type Amount, doAll } from '../concurrent.ts'
import { wasmOf } from '../wasm.ts'

/** Bytes of the record that names a file: about what a cell's records come to. */
const RECORD = 'x'.repeat(3072)

let directory: string
let database: Level<string, string>

async function start(options: { directory: string }): Promise<void> {
  directory = options.directory
  database = new Level(join(directory, 'store'))
  await database.open()
}

/** Writes `count` files durably, each with a synced record, `concurrency` at a time. Returns how many per second. */
async function write({ size, ...amount }: Amount & { size: number }): Promise<number> {
  const bytes = wasmOf(size, 0)
  return await doAll(amount, () => (number) => writeOne(String(number), bytes))
}

async function writeOne(name: string, bytes: Uint8Array): Promise<void> {
  const partial = join(directory, `${name}.partial`)
  const file = await open(partial, 'wx')
  await file.write(bytes)
  await file.sync()
  await file.close()
  await rename(partial, join(directory, name))
  const folder = await open(directory, 'r')
  await folder.sync()
  await folder.close()
  await database.batch([{ type: 'put', key: name, value: RECORD }], { sync: true })
}

export const commands = { start, write, end: () => database?.close() }
