import { readFile, writeFile } from 'node:fs/promises'
import { ROUTES } from '../src/http/routes.ts'
import { type Examples, openApiDocument } from './openapi-document.ts'

// Writes protocol/openapi.json from the route table and the recorded answers. A test fails while they differ.
const folder = new URL('../protocol/', import.meta.url)
const examples = JSON.parse(await readFile(new URL('examples.json', folder), 'utf8')) as Examples
await writeFile(new URL('openapi.json', folder), `${JSON.stringify(openApiDocument(ROUTES, examples), null, 2)}\n`)
