import { accessSync, constants } from 'node:fs'
import { delimiter, join } from 'node:path'
import { type Browser, chromium } from 'playwright-core'

/** What Debian calls it, with and without windows. */
const NAMES = ['chromium', 'chromium-headless-shell', 'google-chrome', 'chrome']

/** A Chromium: the one that `CHROMIUM` names, else one on the `PATH`; undefined where there is none. */
export function chromiumPath(env: NodeJS.ProcessEnv = process.env): string | undefined {
  if (env.CHROMIUM) return env.CHROMIUM
  const folders = (env.PATH ?? '').split(delimiter)
  return folders.flatMap((folder) => NAMES.map((name) => join(folder, name))).find(isExecutable)
}

/** Why tests that need a browser are skipped; false where there is one. */
export const withoutBrowser = (): string | false =>
  chromiumPath() === undefined
    ? 'no Chromium on the PATH, and CHROMIUM names none (Debian: apt install chromium)'
    : false

/** A browser without a window. Root has no sandbox for it, and tests show it nothing but their own nodes. */
export const startBrowser = (): Promise<Browser> =>
  chromium.launch({ executablePath: chromiumPath() ?? '', headless: true, args: ['--no-sandbox', '--disable-gpu'] })

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK)
    return true
  } catch {
    return false
  }
}
