// biome-ignore-all lint/suspicious/noTemplateCurlyInString: these are the INI's own
import { describe, expect, test } from 'vitest'
import { secretFlow } from '../../src/config/secret-flow.js'

/** `section.key = value` lines. */
function flow(text: string) {
  const settings = text.split('\n').map((line) => {
    const [, section, key, value] = /^(\w+)\.(.+?) = (.*)$/.exec(line.trim())!
    return { section: section!, key: key!, value: value!, id: `${section}.${key}` }
  })
  const { feeding, names } = secretFlow(settings)
  return { feeding: [...feeding], names: [...names] }
}

describe('what feeds a secret', () => {
  test.each([
    ['a name of [DEFAULT]', 'DEFAULT.db = x\na.password = %(db)s', ['DEFAULT.db'], ['db']],
    [
      'a name of the section, before the same of [DEFAULT]',
      'DEFAULT.db = x\na.db = y\na.password = %(db)s',
      ['a.db'],
      ['db'],
    ],
    [
      'a name that feeds such a name',
      'DEFAULT.one = x\nDEFAULT.two = <%(one)s>\na.password = %(two)s',
      ['DEFAULT.two', 'DEFAULT.one'],
      ['two', 'one'],
    ],
    [
      'a name of a section, by a secret of [DEFAULT]',
      'DEFAULT.password = %(db)s\na.db = x\na.url = %(password)s',
      ['a.db'],
      ['db'],
    ],
    ['a name that another file has', 'a.password = %(db)s', [], ['db']],
    ['what a "get" names', 'DEFAULT.db = x\na.get password = db', ['DEFAULT.db'], ['db']],
    ['what a "set" is made of', 'DEFAULT.db = x\na.set password = %(db)s', ['DEFAULT.db'], ['db']],
    ['the default of a variable', 'DEFAULT.db = x\na.password = ${env:PW:-%(db)s}', ['DEFAULT.db'], ['db']],
    ['what follows a variable', 'DEFAULT.db = x\na.password = ${env:PW}%(db)s', ['DEFAULT.db'], ['db']],
    ['what follows an escape', 'DEFAULT.db = x\na.password = $${env:%(db)s', ['DEFAULT.db'], ['db']],
  ])('is %s', (_title, text, feeding, names) => {
    expect(flow(text)).toEqual({ feeding, names })
  })

  test.each([
    ['the name of a file', 'DEFAULT.dir = /run\na.password = ${file:%(dir)s/pw:-x}'],
    ['the name of a variable', 'DEFAULT.app = A\na.password = ${env:%(app)s_PW}'],
    ['what is escaped', 'DEFAULT.db = x\na.password = %%(db)s'],
    ['what feeds no secret', 'DEFAULT.db = x\na.url = %(db)s'],
  ])('is not %s', (_title, text) => {
    expect(flow(text)).toEqual({ feeding: [], names: [] })
  })

  test('is found in a ring of names too', () => {
    expect(flow('a.password = %(b)s\na.b = %(c)s\na.c = %(b)s').feeding).toEqual(['a.b', 'a.c'])
  })
})
