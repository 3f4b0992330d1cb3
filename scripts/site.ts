import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { startNodeProcess } from './nodes.ts'
import { buildSite } from './site/build.ts'

// Builds the documentation site: npm run site -- [folder]. What a node measures is read from one that is started for it.
const folder = resolve(process.argv[2] ?? 'dist/site')
const temporary = await mkdtemp(join(tmpdir(), 'cytoplex-site-'))
try {
  const node = await startNodeProcess({ dataDir: join(temporary, 'node') })
  const metrics = await fetch(`${node.http_url}/metrics`)
    .then((answer) => answer.text())
    .finally(() => node.stop())
  const pages = await buildSite({ folder, metrics })
  process.stdout.write(`${pages} pages in ${folder}; open ${join(folder, 'index.html')}\n`)
} finally {
  await rm(temporary, { recursive: true })
}
