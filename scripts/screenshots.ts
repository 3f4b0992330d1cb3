/**
 * Takes pictures of the dashboard's pages, of a federation of three nodes that it starts: `npm run screenshots` writes those of the README anew,
 * `npm run screenshots -- FOLDER` all of them, light, dark and as on a phone. Needs a Chromium (`CHROMIUM`, or one on the `PATH`).
 */
import { copyFile, mkdir, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import type { Browser } from 'playwright-core'
import { startBrowser, withoutBrowser } from '../test/support/browser.ts'
import { type DashboardFederation, dashboardFederation } from '../test/support/dashboard-federation.ts'
import { buildDashboard } from './dashboard.ts'
import { type NodeProcess, startNodeProcess } from './nodes.ts'

/** Names of the pictures, and what is looked at. */
const PICTURES = (federation: DashboardFederation): Readonly<Record<string, string>> => ({
  overview: 'overview',
  cells: 'cells?capability=decode.mappings',
  cell: 'cells/of/source-map',
  ask: 'ask?capability=decode.mappings',
  federation: 'federation',
  goals: `goals/${federation.goalId}`,
  log: 'log?leaf=0&from=0',
  settings: 'settings',
})

/** They are loaded when a page wants them. */
const WITH_CHARTS: ReadonlySet<string> = new Set(['overview', 'goals'])

const GUIDES = new URL('../protocol/guides/', import.meta.url)
/** Pictures that are in the repository, and their places among the guides. */
const OF_README: Readonly<Record<string, string>> = {
  'overview-light.png': 'pictures/overview.png',
  'ask-dark.png': 'pictures/ask.png',
}

const SIZE = { width: 1280, height: 860 }
const PHONE = { width: 390, height: 844 }
/** Milliseconds of live numbers before the picture is taken. */
const LIVE_MS = 12_000

async function takePictures(browser: Browser, federation: DashboardFederation, folder: string): Promise<void> {
  for (const [kind, viewport, colorScheme] of [
    ['light', SIZE, 'light'],
    ['dark', SIZE, 'dark'],
    ['phone', PHONE, 'light'],
  ] as const) {
    const context = await browser.newContext({ viewport, colorScheme, deviceScaleFactor: 1.5 })
    const page = await context.newPage()
    await page.addInitScript((key) => sessionStorage.setItem('cytoplex-key', key), federation.a.adminKey)
    for (const [name, place] of Object.entries(PICTURES(federation))) {
      await page.goto(`${federation.a.http_url}/#/${place}`)
      await page.waitForFunction(
        () => document.querySelector('h1') !== null && document.querySelector('[aria-busy]') === null,
      )
      if (name === 'ask') {
        await page.getByRole('button', { name: 'Ask', exact: true }).click()
        await page.getByRole('region', { name: 'Candidates' }).waitFor()
      }
      if (WITH_CHARTS.has(name)) await page.locator('.uplot').first().waitFor()
      if (name === 'overview') await page.waitForTimeout(LIVE_MS)
      await page.screenshot({ path: join(folder, `${name}-${kind}.png`) })
    }
    await context.close()
  }
}

const [target] = process.argv.slice(2)
const reason = withoutBrowser()
if (reason !== false) {
  console.error(reason)
  process.exitCode = 2
} else {
  const data = await mkdtemp(join(tmpdir(), 'cytoplex-screenshots-'))
  const nodes: NodeProcess[] = []
  let browser: Browser | undefined
  try {
    await buildDashboard()
    const folder = target === undefined ? join(data, 'pictures') : resolve(target)
    await mkdir(folder, { recursive: true })
    const federation = await dashboardFederation(data, async (options) => {
      const node = await startNodeProcess(options)
      nodes.push(node)
      return node
    })
    browser = await startBrowser()
    await takePictures(browser, federation, folder)
    if (target === undefined) {
      for (const [from, to] of Object.entries(OF_README)) await copyFile(join(folder, from), new URL(to, GUIDES))
    }
  } finally {
    await browser?.close()
    await Promise.all(nodes.map((node) => node.stop('SIGKILL')))
    await rm(data, { recursive: true, force: true })
  }
}
