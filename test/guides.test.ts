import assert from 'node:assert/strict'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it, type TestContext, test } from 'node:test'
import { pathToFileURL } from 'node:url'
import { type NodeProcess, startNodeProcess } from '../scripts/nodes.ts'
import { freePort, paste, withFreePorts } from './support/pages.ts'
import { temporaryFolder } from './support/processes.ts'
import { PYTHON_CLIENT, withoutNewPython } from './support/python.ts'

const ROOT = join(import.meta.dirname, '..')

/** All that a reader pastes of a guide, as one shell's input: programs in other languages are files that it runs. */
async function script(guide: string, home: string): Promise<string> {
  const page = await readFile(join(ROOT, 'protocol/guides', `${guide}.md`), 'utf8')
  const parts: string[] = []
  for (const [, language, code] of page.matchAll(/<!-- run -->\n```(\w+)\n([\s\S]*?)```/g)) {
    if (language === 'sh') parts.push(code!)
    if (language === 'js') {
      const client = pathToFileURL(join(ROOT, 'src/client/index.ts')).href
      await writeFile(join(home, 'example.mjs'), code!.replace('cytoplex/client', client))
      parts.push(`node ${join(home, 'example.mjs')}`)
    }
    if (language === 'python') {
      await writeFile(join(home, 'example.py'), code!)
      parts.push(`PYTHONDONTWRITEBYTECODE=1 PYTHONPATH=${PYTHON_CLIENT} python3 ${join(home, 'example.py')}`)
    }
  }
  assert.ok(parts.length >= 4, `${guide} has ${parts.length} blocks to run`)
  return parts.join('\n')
}

interface Reader {
  readonly home: string
  readonly port: string
}

/** What a guide prints for somebody who has done `npm start`, and has followed others before. */
async function follow(t: TestContext, guide: string, { home, port }: Reader): Promise<string> {
  const lines = (await script(guide, home)).replaceAll(':8000', `:${port}`)
  for (const file of ['example.mjs', 'example.py']) {
    const path = join(home, file)
    const text = await readFile(path, 'utf8').catch(() => undefined)
    if (text !== undefined) await writeFile(path, text.replaceAll(':8000', `:${port}`))
  }
  return paste(t, lines, home)
}

test('the guide for operators works as printed', async (t) => {
  const home = await temporaryFolder(t)
  const output = await paste(t, await withFreePorts(await script('operator', home)), home)
  assert.match(output, /^ian_peer_count 1$/m)
  assert.match(output, /^p2p\.max_connections +file .* 200$/m)
  assert.match(output, /^log\.level +environment .* warn$/m)
  assert.match(output, /build-server +publisher/)
  // The policy was there before the node stopped, and is there after it started again.
  assert.equal(output.match(/sql\.\*/g)!.length >= 2, true, output)
})

describe('one after the other, on one node:', async () => {
  const home = await mkdtemp(join(tmpdir(), 'cytoplex-guides-'))
  const reader = { home, port: await freePort() }
  let node: NodeProcess
  before(async () => {
    const args = ['--http-port', reader.port]
    node = await startNodeProcess({ dataDir: join(home, '.local/share/cytoplex'), args })
  })
  after(async () => {
    await node.stop()
    await rm(home, { recursive: true, force: true })
  })

  it('the guide for assemblers works as printed', { skip: withoutNewPython }, async (t) => {
    const output = await follow(t, 'assembler', reader)
    assert.match(output, /^exit code 3: nobody in the federation offers that$/m)
    assert.match(output, /^sqlite 3\.49\.0 sha256:[0-9a-f]{64}$/m)
    assert.match(output, /^all there$/m)
    assert.equal(output.match(/^sqlite 3\.49\.0 \d+ [0-9a-f]{64}$/gm)?.length, 2)
    assert.match(output, /^exit code 3: this node's operator has pinned nobody$/m)
  })

  it('the guide for publishers works as printed', async (t) => {
    const output = await follow(t, 'publisher', reader)
    assert.match(output, /created the publisher key/)
    assert.match(output, /^exit code 3: nobody is given it any more$/m)
  })

  it('the guide for auditors works as printed', { skip: withoutNewPython }, async (t) => {
    const output = await follow(t, 'auditor', reader)
    assert.match(output, /^verified: answer /m)
    assert.match(output, /^verified$/m)
    assert.match(output, /^exit code 1: somebody changed it$/m)
    assert.match(output, /"tree_size":/)
    assert.match(output, /key_created/)
    assert.match(output, /^sha256:[0-9a-f]{64} signed by publisher, active$/m)
  })

  it('the examples of questions work as printed', async (t) => {
    const page = await readFile(join(ROOT, 'protocol/guides/examples.md'), 'utf8')
    const lines = /<!-- question -->\n```sh\n([\s\S]*?)```/.exec(page)![1]!.replaceAll(':8000', `:${reader.port}`)
    const output = await paste(t, lines, home)
    assert.match(output, /^Payment is due within fourteen days\.$/m)
    assert.match(output, /^verified: answer /m)
  })
})
