import { accessSync, constants } from 'node:fs'
import { delimiter, join } from 'node:path'
import type { TestContext } from 'node:test'
import { chromium, type Page } from 'playwright-core'

const NAMES = ['chromium', 'chromium-headless-shell', 'google-chrome']

/** Chromium as the environment names it (`CHROMIUM`), or on the `PATH`. */
function findChromium(): string | undefined {
  const { CHROMIUM, PATH = '' } = process.env
  const places = CHROMIUM
    ? [CHROMIUM]
    : PATH.split(delimiter).flatMap((folder) => NAMES.map((name) => join(folder, name)))
  return places.find(isProgram)
}

function isProgram(path: string): boolean {
  try {
    accessSync(path, constants.X_OK)
    return true
  } catch {
    return false
  }
}

/** Why a test of a page cannot run, for `skip`; false where it can. */
export const browserMissing: string | false =
  findChromium() === undefined && 'needs Chromium: apt-get install chromium, or its path in CHROMIUM'

/** A page of a fresh browser, which ends with the test. */
export async function browserPage(t: TestContext): Promise<Page> {
  const browser = await chromium.launch({ executablePath: findChromium()!, args: ['--no-sandbox'] })
  t.after(() => browser.close())
  return browser.newPage()
}
