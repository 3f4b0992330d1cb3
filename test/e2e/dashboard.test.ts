import assert from 'node:assert/strict'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, type TestContext, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import axe from 'axe-core'
import type { Browser, Page } from 'playwright-core'
import { buildDashboard } from '../../scripts/dashboard.ts'
import { type NodeProcess, startNodeProcess } from '../../scripts/nodes.ts'
import { startBrowser, withoutBrowser } from '../support/browser.ts'
import { type DashboardFederation, dashboardFederation } from '../support/dashboard-federation.ts'
import { SMALL_MODULE } from '../support/modules.ts'

const BUILT = fileURLToPath(new URL('../../dist/dashboard/index.html', import.meta.url))
/** Bytes of everything that the first page loads, as they travel. */
const FIRST_PAGE_BYTES = 150 * 1024

const PAGES = ['overview', 'cells', 'ask', 'federation', 'goals', 'log', 'queries', 'memory', 'settings'] as const

describe('the dashboard of a running federation', { skip: withoutBrowser() }, () => {
  let browser: Browser
  let federation: DashboardFederation
  let folder: string
  const started: NodeProcess[] = []

  before(async () => {
    await readFile(BUILT).catch(() => buildDashboard())
    folder = await mkdtemp(join(tmpdir(), 'cytoplex-test-'))
    federation = await dashboardFederation(folder, async (options) => {
      const node = await startNodeProcess(options)
      started.push(node)
      return node
    })
    browser = await startBrowser()
  })
  after(async () => {
    await browser?.close()
    await Promise.all(started.map((node) => node.stop('SIGKILL')))
    await rm(folder, { recursive: true, force: true })
  })

  /** A page whose console must stay quiet: what it complains of fails the test. */
  async function open(
    t: TestContext,
    place: string,
    { key, colorScheme = 'light', width = 1280 }: { key?: string; colorScheme?: 'light' | 'dark'; width?: number } = {},
  ): Promise<{ page: Page; complaints: string[] }> {
    const context = await browser.newContext({ viewport: { width, height: 900 }, colorScheme })
    t.after(() => context.close())
    const page = await context.newPage()
    const complaints: string[] = []
    page.on('console', (message) => {
      if (message.type() === 'error' || message.type() === 'warning') complaints.push(message.text())
    })
    page.on('pageerror', (error) => complaints.push(String(error)))
    if (key !== undefined) await page.addInitScript((value) => sessionStorage.setItem('cytoplex-key', value), key)
    await page.goto(`${federation.a.http_url}/#/${place}`)
    return { page, complaints }
  }

  /** Waits until nothing is on its way any more. */
  async function settled(page: Page): Promise<void> {
    await page.locator('h1').waitFor()
    await page.waitForFunction(
      () => document.querySelector('[aria-busy]') === null && document.querySelector('h1') !== null,
    )
  }

  async function accessible(page: Page): Promise<void> {
    await page.evaluate(axe.source)
    const violations = await page.evaluate(async () => {
      const { axe: inPage } = globalThis as unknown as {
        axe: {
          run(): Promise<{
            violations: { id: string; help: string; nodes: { html: string; failureSummary: string }[] }[]
          }>
        }
      }
      const { violations: found } = await inPage.run()
      return found.map(
        ({ id, help, nodes }) =>
          `${id}: ${help}: ${nodes.map((node) => `${node.html} ${node.failureSummary}`).join(' | ')}`,
      )
    })
    assert.deepEqual(violations, [])
  }

  for (const name of PAGES) {
    test(`${name} loads with data, without a complaint and accessible, in the light, in the dark and on a phone`, async (t) => {
      const { adminKey: key } = federation.a
      for (const [colorScheme, width] of [
        ['light', 1280],
        ['dark', 1280],
        ['light', 360],
      ] as const) {
        const { page, complaints } = await open(t, name, { key, colorScheme, width })
        await settled(page)
        assert.deepEqual(await page.locator('[role=alert]').allTextContents(), [])
        await accessible(page)
        const [content, seen] = await page.evaluate(() => [document.documentElement.scrollWidth, innerWidth])
        assert.ok(content! <= seen!, `${content} pixels on a screen of ${seen}`)
        assert.deepEqual(complaints, [])
      }
    })
  }

  test('each page shows what is there', async (t) => {
    const { page } = await open(t, 'overview', { key: federation.a.adminKey })
    await page.getByText('ACTIVE').waitFor()
    await page.getByRole('region', { name: 'Components' }).getByText('event_loop').waitFor()
    await page.goto(`${federation.a.http_url}/#/cells`)
    await page.getByRole('link', { name: 'source-map' }).waitFor()
    await page.getByLabel('Capability', { exact: true }).fill('decode.mappings')
    await page.getByRole('button', { name: 'Search' }).click()
    await page.getByRole('region', { name: 'Cells of the federation' }).getByText('far-map').waitFor()
    await page.goto(`${federation.a.http_url}/#/federation`)
    const others = federation.nodes.slice(1).map(({ provider_id: id }) => id.slice(-6))
    for (const id of others) await page.getByRole('region', { name: 'Connected peers' }).getByText(id).first().waitFor()
    await page.goto(`${federation.a.http_url}/#/goals/${federation.goalId}`)
    await page.getByRole('region', { name: 'Leaderboard' }).getByRole('row').nth(12).waitFor()
    await page.locator('.uplot').nth(1).waitFor()
    assert.equal(await page.locator('.uplot').count(), 2)
    await page.goto(`${federation.a.http_url}/#/log`)
    await page.getByRole('region', { name: 'Leaves' }).getByText('register').first().waitFor()
    await page.goto(`${federation.a.http_url}/#/settings`)
    await page.getByRole('region', { name: 'Configuration' }).getByText('http.port', { exact: true }).waitFor()
  })

  test('the first page is small, and nothing of it comes from elsewhere', async (t) => {
    const context = await browser.newContext()
    t.after(() => context.close())
    const page = await context.newPage()
    const client = await context.newCDPSession(page)
    await client.send('Network.enable')
    let bytes = 0
    const elsewhere: string[] = []
    client.on('Network.loadingFinished', ({ encodedDataLength }) => {
      bytes += encodedDataLength
    })
    page.on('request', (request) => {
      if (!request.url().startsWith(federation.a.http_url)) elsewhere.push(request.url())
    })
    await page.goto(`${federation.a.http_url}/`)
    await page.getByRole('heading', { name: 'Needs attention' }).waitFor()
    const interactive = await page.evaluate(() => performance.now())
    await page.getByText('ACTIVE').waitFor()
    t.diagnostic(`${bytes} bytes with all data, interactive after ${Math.round(interactive)} ms`)
    assert.ok(bytes > 0 && bytes < FIRST_PAGE_BYTES, `${bytes} bytes`)
    assert.deepEqual(elsewhere, [])
  })

  test('numbers arrive while one looks', async (t) => {
    const { page } = await open(t, 'overview')
    await page.getByTestId('traffic').getByText('samples').waitFor()
  })

  test('acting needs the key, which is entered once and forgotten with the tab', async (t) => {
    const { page } = await open(t, 'settings')
    await page.getByText('are for the administrator').waitFor()
    await page.getByRole('button', { name: 'Key' }).click()
    await page.getByLabel('Key', { exact: true }).fill('no such key')
    await page.getByRole('button', { name: 'Use it' }).click()
    await page.getByRole('alert').waitFor()
    await page.getByLabel('Key', { exact: true }).fill(federation.a.adminKey)
    await page.getByRole('button', { name: 'Use it' }).click()
    await page.getByRole('region', { name: 'Configuration' }).waitFor()
    const kept = await page.evaluate(() => [sessionStorage.length, localStorage.length, document.cookie])
    assert.deepEqual(kept, [1, 0, ''])
    await page.getByRole('button', { name: 'Key' }).click()
    await page.getByRole('button', { name: 'Forget it' }).click()
    await page.getByText('are for the administrator').waitFor()
  })

  test('a package is checked, uploaded, verified, yanked, and the yank is taken back', async (t) => {
    const { page, complaints } = await open(t, 'cells/upload', { key: federation.a.adminKey })
    await page.getByLabel('Package').setInputFiles(SMALL_MODULE)
    await page.getByLabel('Cell type').fill('uploaded')
    await page.getByLabel('Version', { exact: true }).fill('1.0.0')
    await page.getByLabel('Capability', { exact: true }).fill('upload.test')
    await page.getByRole('button', { name: 'Check only' }).click()
    await page.getByText('Passed:').waitFor()
    await page.getByRole('status').getByText('valid', { exact: true }).waitFor()
    await page.getByRole('button', { name: 'Upload' }).click()
    await page.getByRole('link', { name: 'Look at it' }).click()
    await page.getByRole('button', { name: 'Verify the signature in this browser' }).click()
    await page.getByText('is signed with ed25519').waitFor()
    await page.getByLabel('Reason').selectOption('broken')
    await page.getByLabel('Message').fill('does not work')
    await page.getByRole('button', { name: 'Yank', exact: true }).click()
    await page.getByText('Yanked by the').waitFor()
    await page.getByRole('button', { name: 'Take it back' }).click()
    await page.getByText('A yank was taken back').waitFor()
    assert.deepEqual(complaints, [])
  })

  test('what is no package is refused with the report', async (t) => {
    const file = join(folder, 'no-package.wasm')
    await writeFile(file, 'this is no module')
    const { page } = await open(t, 'cells/upload', { key: federation.a.adminKey })
    await page.getByLabel('Package').setInputFiles(file)
    await page.getByLabel('Cell type').fill('refused')
    await page.getByLabel('Version', { exact: true }).fill('1.0.0')
    await page.getByLabel('Capability', { exact: true }).fill('upload.test')
    await page.getByRole('button', { name: 'Upload' }).click()
    await page.getByRole('region', { name: 'Findings' }).getByText('error').first().waitFor()
  })

  test('a request shows who won and why the others lost', async (t) => {
    const { page, complaints } = await open(t, 'ask?capability=decode.mappings')
    await page.getByLabel('Platform of the device').fill('linux')
    await page.getByRole('button', { name: 'Ask', exact: true }).click()
    const candidates = page.getByRole('region', { name: 'Candidates' })
    await candidates.getByText('won').waitFor()
    await candidates.getByText('far-map').waitFor()
    await page.getByRole('region', { name: 'Sources' }).getByText('directory').waitFor()
    await accessible(page)
    await page.getByLabel('Capability').fill('nobody.offers.this')
    await page.getByRole('button', { name: 'Ask', exact: true }).click()
    await page.getByText('PROV_003').waitFor()
    // The browser itself says that an answer was a 404.
    assert.deepEqual(
      complaints.filter((complaint) => !complaint.includes('404')),
      [],
    )
  })

  test('a proof is verified in the browser, and one that was changed is not', async (t) => {
    const response = await fetch(`${federation.a.http_url}/api/v1/log/${federation.goalId}/proof?log_index=3`)
    const file = await response.text()
    const { page, complaints } = await open(t, 'log')
    await settled(page)
    const proof = page.getByLabel('A proof file')
    await proof.fill(file)
    await page.getByRole('button', { name: 'Verify' }).click()
    await page.getByText('The proof holds.').waitFor()
    await proof.fill(file.replace('"log_index":3', '"log_index":4'))
    await page.getByRole('button', { name: 'Verify' }).click()
    await page.getByRole('alert').waitFor()
    assert.deepEqual(complaints, [])
  })

  test('a question is answered with its sources marked, and its proof is verified', async (t) => {
    const { page, complaints } = await open(t, 'queries')
    const { id, secret } = federation.operator
    await page.getByLabel('Question').fill('When does the tenant pay the rent?')
    await page.getByLabel('Domain').selectOption('legal')
    await page.getByLabel('Verification').selectOption('strict')
    await page.getByLabel('Operator', { exact: true }).fill(id)
    await page.getByLabel('The operator’s key').fill(secret)
    await page.getByRole('button', { name: 'Ask', exact: true }).click()
    await page.getByText('Verified in this browser').waitFor()
    assert.match((await page.locator('mark').allTextContents()).join(' '), /pays the rent on the first day/)
    await accessible(page)
    assert.deepEqual(complaints, [])
  })

  test('a session is opened by its token, and searched', async (t) => {
    const { page, complaints } = await open(t, 'memory')
    await page.getByLabel('Token of a session').fill(federation.sessionToken)
    await page.getByRole('button', { name: 'Open' }).click()
    await page.getByRole('region', { name: 'Conversations' }).getByText('Plan the move').waitFor()
    await page.getByLabel('What was said about').fill('when is the van booked')
    await page.getByRole('button', { name: 'Search' }).click()
    await page.getByRole('region', { name: 'Matches' }).getByText('Saturday').first().click()
    await page.getByRole('listitem').filter({ hasText: 'The van is booked for Saturday at nine.' }).waitFor()
    await accessible(page)
    assert.deepEqual(complaints, [])
  })

  test('pages are reached and left by keyboard alone', async (t) => {
    const { page } = await open(t, 'overview')
    await settled(page)
    await page.keyboard.press('Tab')
    assert.equal(await page.evaluate(() => document.activeElement?.textContent), 'Skip to content')
    await page.keyboard.press('Enter')
    assert.equal(await page.evaluate(() => document.activeElement?.id), 'content')
    await page.getByRole('navigation').getByRole('link', { name: 'Log' }).focus()
    await page.keyboard.press('Enter')
    await page.waitForFunction(
      () => document.activeElement?.tagName === 'H1' && document.activeElement.textContent === 'Log',
    )
  })
})
