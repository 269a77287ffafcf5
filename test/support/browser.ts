// A real browser: headless Chromium from Debian, driven by playwright-core, which downloads none.

import { existsSync } from 'node:fs'
import { type Browser, chromium } from 'playwright-core'
import { onTestFinished, type TestContext } from 'vitest'

const PROGRAMS = ['/usr/bin/chromium-headless-shell', '/usr/bin/chromium']

/** Starts a browser for one test. Without one the test is skipped, with CI=true it fails. */
export async function startBrowser(context: TestContext): Promise<Browser> {
  const program = PROGRAMS.find((path) => existsSync(path))
  if (program === undefined) {
    const reason = `there is no Chromium (${PROGRAMS.join(', ')}): apt-get install chromium-headless-shell`
    if (process.env.CI === 'true') throw new Error(reason)
    return context.skip(reason)
  }
  const browser = await chromium.launch({
    executablePath: program,
    args: [
      '--no-sandbox',
      '--disable-gpu',
      '--disable-quic',
      '--no-first-run',
      '--disable-background-networking',
      '--disable-component-update',
      '--disable-sync',
    ],
  })
  onTestFinished(() => browser.close())
  return browser
}
