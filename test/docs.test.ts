import { readFileSync, writeFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { options as proxy } from '../src/apps/proxy.js'
import type { OptionTable } from '../src/config/options.js'
import { optionsPage } from '../src/config/options-page.js'
import { options as beakerSession } from '../src/filters/beaker_session.js'
import { options as http } from '../src/servers/http.js'

const pages: [file: string, title: string, table: OptionTable, prefix: string][] = [
  ['beaker_session.md', 'Settings of `egg:Beaker#beaker_session`', beakerSession, 'beaker.session.'],
  ['http.md', 'Settings of `egg:Paste#http`', http, ''],
  ['proxy.md', 'Settings of `egg:Paste#proxy`', proxy, ''],
]

const NOTE =
  'Made from the option table in the source: change it there, then run `UPDATE_DOCS=1 npx vitest run test/docs.test.ts`.'

describe('the reference pages', () => {
  it.each(pages)('docs/options/%s says what the option table says', (file, title, table, prefix) => {
    const path = new URL(`../docs/options/${file}`, import.meta.url)
    const page = `# ${title}\n\n${NOTE}\n\n${optionsPage(table, prefix)}`
    if (process.env.UPDATE_DOCS === '1') writeFileSync(path, page)
    expect(readFileSync(path, 'utf8')).toBe(page)
  })
})
