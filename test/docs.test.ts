import { readFileSync, writeFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { options as cascade } from '../src/apps/cascade.js'
import { options as proxy } from '../src/apps/proxy.js'
import { options as redirect } from '../src/apps/redirect.js'
import { options as staticFiles } from '../src/apps/static.js'
import { options as transparentProxy } from '../src/apps/transparent_proxy.js'
import { options as logging } from '../src/config/logging/settings.js'
import type { OptionTable } from '../src/config/options.js'
import { optionsPage } from '../src/config/options-page.js'
import { options as authBasic } from '../src/filters/auth_basic.js'
import { options as authTkt } from '../src/filters/auth_tkt.js'
import { options as beakerSession } from '../src/filters/beaker_session.js'
import { options as csrf } from '../src/filters/csrf.js'
import { options as errorCatcher } from '../src/filters/error_catcher.js'
import { options as grantip } from '../src/filters/grantip.js'
import { options as gzip } from '../src/filters/gzip.js'
import { options as healthz } from '../src/filters/healthz.js'
import { options as lang } from '../src/filters/lang.js'
import { options as metrics } from '../src/filters/metrics.js'
import { options as mount } from '../src/filters/mount.js'
import { options as prefix } from '../src/filters/prefix.js'
import { options as translogger } from '../src/filters/translogger.js'
import { options as http } from '../src/servers/http.js'

const pages: [file: string, title: string, table: OptionTable, prefix: string][] = [
  ['beaker_session.md', 'Settings of `egg:Beaker#beaker_session`', beakerSession, 'beaker.session.'],
  ['http.md', 'Settings of `egg:Paste#http`', http, ''],
  ['auth_basic.md', 'Settings of `egg:Paste#auth_basic`', authBasic, ''],
  ['auth_tkt.md', 'Settings of `egg:Paste#auth_tkt`', authTkt, ''],
  ['csrf.md', 'Settings of `egg:sessd#csrf`', csrf, ''],
  ['grantip.md', 'Settings of `egg:Paste#grantip`', grantip, ''],
  ['healthz.md', 'Settings of `egg:sessd#healthz`', healthz, ''],
  ['lang.md', 'Settings of `egg:sessd#lang`', lang, ''],
  ['metrics.md', 'Settings of `egg:sessd#metrics`', metrics, ''],
  ['mount.md', 'Settings of `egg:sessd#mount`', mount, ''],
  ['logging.md', 'Settings of `[logging]`', logging, ''],
  ['proxy.md', 'Settings of `egg:Paste#proxy`', proxy, ''],
  ['cascade.md', 'Settings of `egg:Paste#cascade`', cascade, ''],
  ['error_catcher.md', 'Settings of `egg:Paste#error_catcher` and `egg:Paste#evalerror`', errorCatcher, ''],
  ['gzip.md', 'Settings of `egg:Paste#gzip`', gzip, ''],
  ['prefix.md', 'Settings of `egg:PasteDeploy#prefix`', prefix, ''],
  ['redirect.md', 'Settings of `egg:sessd#redirect`', redirect, ''],
  ['static.md', 'Settings of `egg:Paste#static`', staticFiles, ''],
  ['translogger.md', 'Settings of `egg:Paste#translogger`', translogger, ''],
  ['transparent_proxy.md', 'Settings of `egg:Paste#transparent_proxy`', transparentProxy, ''],
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
