import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { clientReference } from './client-reference.ts'

// Writes the reference of the SDK as Markdown into a folder: the one that is named, or dist/reference.
const folder = process.argv[2] ?? fileURLToPath(new URL('../dist/reference', import.meta.url))
await mkdir(folder, { recursive: true })
await writeFile(join(folder, 'client.md'), clientReference())
