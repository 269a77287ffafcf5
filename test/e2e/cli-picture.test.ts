// `sessd show --svg` and `--html`, and what a browser makes of them.

import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { startBrowser } from '../support/browser.js'
import { ROOT, run } from '../support/cli.js'

const cwd = mkdtempSync(join(tmpdir(), 'sessd-picture-'))

const INI = `[DEFAULT]
db = hunter2

[server:main]
use = egg:Paste#http

[composite:main]
use = egg:Paste#urlmap
/ = page
/again = page
/other = config:other.ini#api

[app:page]
use = file:app.mjs
db_password = %(db)s
<script>alert(1)</script> = yes
`

beforeAll(() => {
  writeFileSync(join(cwd, 'app.ini'), INI)
  writeFileSync(join(cwd, 'bad.ini'), INI.replace('= config:other.ini#api', '= nobody'))
  writeFileSync(join(cwd, 'other.ini'), '[app:api]\nuse = file:app.mjs\n')
  writeFileSync(join(cwd, 'app.mjs'), 'export default () => (req, res) => res.end()\n')
})

afterAll(() => rmSync(cwd, { recursive: true }))

const sessd = (...args: string[]) => run(process.execPath, [join(ROOT, 'bin', 'sessd.js'), ...args], { cwd })

describe('a picture of a file', () => {
  test('is written to files, which are named', async () => {
    expect(await sessd('show', 'app.ini', '--svg', 'out.svg', '--html', 'out.html')).toEqual({
      code: 0,
      stdout: '',
      stderr: 'wrote out.svg\nwrote out.html\n',
    })
    const svg = readFileSync(join(cwd, 'out.svg'), 'utf8')
    for (const text of ['[server:main]', 'egg:Paste#urlmap', '/again', 'app.ini:14', 'other.ini:2']) {
      expect(svg).toContain(`>${text}</text>`)
    }
    expect(svg.split('>[app:page]</text>')).toHaveLength(2)
    expect(readFileSync(join(cwd, 'out.html'), 'utf8')).not.toContain('hunter2')
  })

  test('goes to stdout for -, alone', async () => {
    const { code, stdout, stderr } = await sessd('show', 'app.ini', '--svg', '-')
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
    expect(stdout).toMatch(/^<\?xml .*<\/svg>\n$/s)
    expect(await sessd('show', 'app.ini', '--svg', '-', '--json')).toEqual({
      code: 2,
      stdout: '',
      stderr:
        'error: stdout takes one of --json, --svg - and --html -, write the others to files\nTry: sessd show --help\n',
    })
  })

  test('is not written over the file that it shows, nor where nothing can be', async () => {
    const failure = async (out: string) => (await sessd('show', 'app.ini', '--svg', out)).stderr
    expect(await failure('other.ini')).toBe(
      `error: ${join(cwd, 'other.ini')} is what is drawn, expected another file to write\n`,
    )
    expect(await failure('no/where.svg')).toBe(`error: there is no directory ${join(cwd, 'no')}\n`)
    expect(await failure('.')).toBe(`error: ${cwd} is a directory, expected a file to write\n`)
    expect(readFileSync(join(cwd, 'other.ini'), 'utf8')).toBe('[app:api]\nuse = file:app.mjs\n')
  })

  test('of a broken file shows what there is, and exits 78', async () => {
    const { code, stdout, stderr } = await sessd('show', 'bad.ini', '--svg', '-')
    expect(code).toBe(78)
    expect(stdout).toContain('could not be made')
    expect(stderr).toContain('error: bad.ini:11: [composite:main] /other: there is no')
  })

  test('leads from a part to its settings and back, without script and complaints', async (context) => {
    const browser = await startBrowser(context)
    await sessd('show', 'app.ini', '--html', 'page.html')
    for (const colorScheme of ['light', 'dark'] as const) {
      const page = await browser.newPage({ colorScheme, viewport: { width: 1200, height: 300 } })
      const complaints: string[] = []
      page.on('console', (message) => complaints.push(message.text()))
      page.on('dialog', (dialog) => complaints.push(dialog.message()))
      await page.goto(pathToFileURL(join(cwd, 'page.html')).href)
      await page.locator('main .name', { hasText: '[app:page]' }).click()
      const settings = page.locator('article:target')
      expect(await settings.getByRole('row').allInnerTexts()).toEqual([
        'db_password\t***\tapp.ini:15',
        '<script>alert(1)</script>\tyes\tapp.ini:16',
      ])
      const panel = (await page.locator('aside').boundingBox())!
      const box = (await settings.boundingBox())!
      expect(box.y).toBeGreaterThanOrEqual(panel.y)
      expect(box.y).toBeLessThan(panel.y + panel.height)
      await settings.getByRole('link').click()
      expect(await page.locator('g:target .name').textContent()).toBe('[app:page]')
      const background = await page.evaluate('getComputedStyle(document.body).backgroundColor')
      expect(background).toBe(colorScheme === 'light' ? 'rgb(255, 255, 255)' : 'rgb(18, 22, 29)')
      expect(complaints).toEqual([])
    }
  })

  test('has texts that fit where they stand', async (context) => {
    const browser = await startBrowser(context)
    await sessd('show', 'app.ini', '--svg', 'fit.svg')
    const page = await browser.newPage()
    await page.goto(pathToFileURL(join(cwd, 'fit.svg')).href)
    const outside = await page.evaluate(`[...document.querySelectorAll('g.part')].flatMap((part) => {
      const card = part.querySelector('.card').getBBox()
      return [...part.querySelectorAll('text')].filter((text) => {
        const { x, width } = text.getBBox()
        return x < card.x || x + width > card.x + card.width
      }).map((text) => text.textContent)
    })`)
    expect(outside).toEqual([])
  })
})
