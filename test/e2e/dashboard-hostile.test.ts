import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { promisify } from 'node:util'
import { parse } from '@bytecodealliance/jco-transpile/wasm-tools'
import type { Page } from 'playwright-core'
import { buildDashboard } from '../../scripts/dashboard.ts'
import { CYTOPLEX } from '../../scripts/nodes.ts'
import { createClient } from '../../src/client/index.ts'
import { readDashboard } from '../../src/http/dashboard-files.ts'
import { startBrowser, withoutBrowser } from '../support/browser.ts'
import { makeOperator, makeSession } from '../support/dashboard-federation.ts'
import { nodeProcess, temporaryFolder } from '../support/processes.ts'

const run = promisify(execFile)

/** Markup that would run, were it ever markup. */
const MARKUP = `'"><img src=x onerror="window.hacked=1"><svg onload=window.hacked=1><script>window.hacked=1</script>`
/** Clears a terminal, names its window, and turns around what is read. */
const ESCAPES = '\u001b[2J\u001b]0;owned\u0007\u009b31m\u202egpj.exe\u2066'
const EVIL = MARKUP + ESCAPES
/** How it is shown. */
const SHOWN = '\\u001b[2J'
/** What no text may contain that a person looks at, but for breaks of lines. */
const UNSAFE = /(?![\t\n])[\p{Cc}\u202a-\u202e\u2066-\u2069]/u
const SOMEBODY = '12D3KooWGRUrfzzCsTZMCyGzBHa1uVuvuBxAsfBSwqmVyVhcfAtX'

const watText = (text: string): string =>
  `"${[...Buffer.from(text)].map((byte) => `\\${byte.toString(16).padStart(2, '0')}`).join('')}"`

const MODULE = `(module
  (import ${watText(EVIL)} ${watText(EVIL)} (func))
  (memory (export ${watText(EVIL)}) 1 1))`

/** Nothing of a stranger has become markup, and nothing that is shown can mislead. */
async function assertHarmless(page: Page, where: string): Promise<string> {
  const [hacked, elements, text, attributes] = await page.evaluate(
    () =>
      [
        (globalThis as { hacked?: unknown }).hacked,
        [...document.querySelectorAll('img, iframe, object, embed, script:not([src]), svg[onload]')].map(
          (found) => found.outerHTML,
        ),
        document.body.innerText,
        [...document.querySelectorAll('*')]
          .flatMap((element) => [...element.attributes].map(({ value }) => value))
          .join('\n'),
      ] as const,
  )
  assert.equal(hacked, undefined, where)
  assert.deepEqual(elements, [], where)
  for (const shown of [text, attributes]) assert.doesNotMatch(shown, UNSAFE, where)
  const links = await page
    .locator('a[href]')
    .evaluateAll((found) => found.map((link) => (link as HTMLAnchorElement).protocol))
  assert.deepEqual(
    links.filter((protocol) => !/^https?:$/.test(protocol)),
    [],
    where,
  )
  return text
}

test('strings of strangers are text and nothing else: on every page, in the terminal and in the log', {
  skip: withoutBrowser(),
}, async (t) => {
  if (readDashboard() === undefined) await buildDashboard()
  const folder = await temporaryFolder(t)
  const env = { CYTOPLEX_NODE_NAME: `node ${MARKUP.slice(0, 60)}`, CYTOPLEX_NODE_DESCRIPTION: EVIL }
  const node = await nodeProcess(t, { dataDir: join(folder, 'node'), env, args: ['--log-level', 'trace'] })
  const client = createClient({ nodes: node.http_url, apiKey: node.adminKey })
  await client.registerCell({
    metadata: {
      cell_type: 'evil',
      version: '1.0.0',
      description: EVIL,
      tags: [EVIL.slice(0, 60), ESCAPES],
      labels: { evil: EVIL },
      capabilities: [{ name: 'evil.capability', version: '1.0.0' }],
      requirements: { platforms: [ESCAPES] },
      metadata: {
        license: EVIL.slice(-100),
        documentation_url: `https://example.org/${MARKUP.replaceAll(' ', '')}`,
        repository_url: 'https://user:javascript@example.org/',
      },
    },
    package: Uint8Array.from(await parse(MODULE)),
  })
  await client.send('PUT', '/api/v1/repository/vulnerabilities/EVIL-1', {
    cell_type: 'evil',
    affected: '*',
    severity: 'high',
    description: EVIL,
  })
  await client.yankCell('evil', '1.0.0', { reason: 'broken', message: EVIL })
  await client.yankCell('evil', '1.0.0', { undo: true })
  await client.goals.create({
    goal_id: 'evil',
    name: EVIL.slice(-150),
    description: EVIL,
    evaluator: { digest: `sha256:${'ab'.repeat(32)}` },
  })
  await client.send('POST', `/api/v1/peers/${SOMEBODY}/ban`, { reason: EVIL.slice(-150) })
  await client.send('POST', '/api/v1/keys', { name: MARKUP.slice(0, 120), role: 'reader' })
  const operator = await makeOperator(client, `# Rent\n\nThe tenant pays the rent ${MARKUP} on Monday.\n`)
  const token = await makeSession(node.http_url, { directive: EVIL, content: EVIL })

  const browser = await startBrowser()
  t.after(() => browser.close())
  const page = await (await browser.newContext()).newPage()
  const complaints: string[] = []
  page.on('console', (message) => complaints.push(message.text()))
  page.on('pageerror', (error) => complaints.push(String(error)))
  page.on('dialog', (dialog) => complaints.push(dialog.message()))
  await page.addInitScript((key) => sessionStorage.setItem('cytoplex-key', key), node.adminKey)
  const look = async (place: string): Promise<void> => {
    await page.goto(`${node.http_url}/#/${place}`)
    await page.locator('h1').waitFor()
    await page.waitForFunction(() => document.querySelector('[aria-busy]') === null)
  }
  const places = {
    overview: true,
    cells: true,
    'cells/of/evil': true,
    'cells?capability=evil.capability': true,
    'cells/upload': false,
    federation: true,
    goals: true,
    'goals/evil': true,
    log: false,
    settings: true,
    [`cells/of/${encodeURIComponent(EVIL)}`]: false,
    [`cells?search=${encodeURIComponent(MARKUP)}`]: false,
    [`ask?capability=${encodeURIComponent(EVIL)}`]: false,
    [encodeURIComponent(EVIL)]: false,
  }
  for (const [place, isShown] of Object.entries(places)) {
    await look(place)
    await page.locator('details').evaluateAll((found) => {
      for (const details of found) (details as HTMLDetailsElement).open = true
    })
    const text = await assertHarmless(page, place)
    if (isShown) assert.ok(text.includes(SHOWN), `${place} shows nothing of it: ${text}`)
  }

  await look('ask?capability=evil.capability')
  await page.getByRole('button', { name: 'Ask', exact: true }).click()
  await page.getByRole('region', { name: 'Candidates' }).waitFor()
  assert.ok((await assertHarmless(page, 'ask')).includes(SHOWN))

  await look('queries')
  await page.getByLabel('Question').fill('When does the tenant pay the rent?')
  await page.getByLabel('Domain').selectOption('legal')
  await page.getByLabel('Operator', { exact: true }).fill(operator.id)
  await page.getByLabel('The operator’s key').fill(operator.secret)
  await page.getByRole('button', { name: 'Ask', exact: true }).click()
  await page.locator('mark').first().waitFor()
  assert.ok((await assertHarmless(page, 'queries')).includes('<img src=x'))

  await look('memory')
  await page.getByLabel('Token of a session').fill(token)
  await page.getByRole('button', { name: 'Open' }).click()
  await page.getByRole('region', { name: 'Conversations' }).getByRole('button').first().click()
  await page.getByRole('listitem').filter({ hasText: 'builder' }).waitFor()
  assert.ok((await assertHarmless(page, 'memory')).includes(SHOWN))

  await look('log')
  await page.getByLabel('A proof file').fill(JSON.stringify({ type: 'log_proof', [EVIL]: EVIL }))
  await page.getByRole('button', { name: 'Verify' }).click()
  await page.getByRole('alert').waitFor()
  await assertHarmless(page, 'log')
  // What is not there is answered 404 and 400, which the browser itself says.
  assert.deepEqual(
    complaints.filter((complaint) => !/status of (400|404)/.test(complaint)),
    [],
  )

  for (const words of [
    ['status'],
    ['cell', 'list'],
    ['cell', 'request', 'evil.capability'],
    ['goal', 'list'],
    ['goal', 'show', 'evil'],
    ['peers', 'banned'],
    ['keys', 'list'],
    ['vulnerability', 'list'],
    ['audit'],
    ['operator', 'list'],
  ]) {
    for (const more of [[], ['--json']]) {
      const args = [...words, '--data-dir', node.dataDir, ...more]
      const { stdout, stderr } = await run(CYTOPLEX, args, { env: { ...process.env, NO_COLOR: '1' } })
      assert.doesNotMatch(stdout + stderr, UNSAFE, args.join(' '))
    }
  }
  assert.doesNotMatch(await readFile(`${node.dataDir}.log`, 'utf8'), UNSAFE)
})
