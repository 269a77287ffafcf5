import { describe, expect, test } from 'vitest'
import { drawPage } from '../../../src/cli/picture/page.js'
import { drawSvg } from '../../../src/cli/picture/svg.js'
import type { Node } from '../../../src/loader.js'

const EVIL = `</style></title>]]><script>alert("1")</script>'\u0000\u202e&`

const node: Node = {
  kind: 'app',
  shape: 'composite',
  name: EVIL,
  use: EVIL,
  place: { file: EVIL, line: 1 },
  role: 'main',
  settings: [
    { key: EVIL, value: EVIL, from: 'section', place: { file: EVIL }, secret: false, scope: 'local' },
    {
      key: 'password',
      value: '***',
      from: 'default',
      place: { file: 'x', line: 3 },
      secret: true,
      scope: 'global',
    },
  ],
  children: [
    {
      kind: 'app',
      shape: 'app',
      name: 'a',
      use: EVIL,
      place: undefined,
      role: EVIL,
      settings: [],
      children: [],
    },
  ],
}
const options = { title: EVIL, fileName: (path: string) => path }

describe.each([
  ['SVG', drawSvg([node], options)],
  ['HTML', drawPage([node], options)],
])('the picture as %s', (_name, text) => {
  test('keeps text text', () => {
    expect(text).not.toMatch(/<script|alert\("|[\0\u202e]|\]\]>/)
    expect(text).toContain('&#60;script&#62;alert(&#34;1&#34;)&#60;/script&#62;&#39;\\u{0}\\u{202e}&#38;')
  })

  test('needs nothing from elsewhere', () => {
    const addresses = text.replace('http://www.w3.org/2000/svg', '')
    expect(addresses).not.toMatch(/https?:|url\(|@import|src=|href="[^#]/)
  })

  test('has a title and a description, and follows the colours of the reader', () => {
    expect(text).toContain('aria-labelledby="picture-title picture-desc"')
    expect(text).toContain('<desc id="picture-desc">2 parts. ')
    expect(text).toContain('@media (prefers-color-scheme:dark)')
  })
})

test('the page has all settings beside the picture, secrets masked', () => {
  const page = drawPage([node], options)
  expect(page).toContain('<tr><th scope="row">password<td class="masked"><code>***</code><td>x:3 (default)')
  expect(page).toContain('<a href="#settings-1">')
  expect(page).toContain('<article id="settings-1"')
})
