import { writeFile } from 'node:fs/promises'
import { openApiDocument } from '../src/http/openapi.ts'
import { ROUTES } from '../src/http/routes.ts'

// Writes protocol/openapi.json from the route table. A test fails while the two differ.
const file = new URL('../protocol/openapi.json', import.meta.url)
await writeFile(file, `${JSON.stringify(openApiDocument(ROUTES), null, 2)}\n`)
