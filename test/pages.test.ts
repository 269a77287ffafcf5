// What the pages promise about themselves.

import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { expect, test } from 'vitest'

const ROOT = join(import.meta.dirname, '..')

const pages = [
  ...['README.md', 'CHANGELOG.md', 'CONTRIBUTING.md'],
  ...readdirSync(join(ROOT, 'docs'), { recursive: true, encoding: 'utf8' })
    .filter((path) => path.endsWith('.md'))
    .map((path) => `docs/${path.replaceAll('\\', '/')}`),
]

/** Links to files, as page and target, without those to other sites and to headings. */
const links = pages.flatMap((page) =>
  [...readFileSync(join(ROOT, page), 'utf8').matchAll(/\]\((?![a-z]+:|#)([^)#\s]+)[^)]*\)/g)].map(
    ([, target]) => ({ page, target: join(dirname(page), target!) }),
  ),
)

test('every link to a file leads to one', () => {
  expect(links.filter(({ target }) => !existsSync(join(ROOT, target)))).toEqual([])
})

test('every page is in the index', () => {
  const linked = new Set(links.filter(({ page }) => page === 'docs/README.md').map(({ target }) => target))
  const expected = pages.filter((page) => page.startsWith('docs/') && page !== 'docs/README.md')
  expect(expected.filter((page) => !linked.has(page))).toEqual([])
})
