import { describe, expect, test } from 'vitest'
import { run } from '../support/main.js'

describe('sessd secret', () => {
  test('prints 256 random bits that need no quoting, and nothing else', async () => {
    const first = await run(['secret'])
    const second = await run(['secret'])
    expect(first).toMatchObject({ code: 0, stderr: '' })
    expect(first.stdout).toMatch(/^[\w-]{43}\n$/)
    expect(second.stdout).not.toBe(first.stdout)
  })

  test('prints more when asked to', async () => {
    expect((await run(['secret', '-n', '64'])).stdout).toMatch(/^[\w-]{86}\n$/)
    expect((await run(['secret', '--bytes=33'])).stdout).toMatch(/^[\w-]{44}\n$/)
  })

  test.each(['31', '0', '-1', 'many', '', '1e2', '1025'])('refuses %j bytes', async (count) => {
    expect(await run(['secret', `--bytes=${count}`])).toEqual({
      code: 2,
      stdout: '',
      stderr: `error: --bytes: expected a whole number from 32 to 1024, got "${count}"\nTry: sessd secret --help\n`,
    })
  })
})
