import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { beakerSession } from '../../src/filters/beaker_session.js'
import { getSession } from '../../src/filters/get-session.js'
import { emptyDirectory } from '../support/directory.js'
import { run } from '../support/main.js'
import { serve } from '../support/site.js'

const SECRET = 'a secret of more than thirty-two characters'

/** A directory with an INI and two visitors' sessions; one of them is over. */
async function site(extra = '') {
  const directory = emptyDirectory()
  writeFileSync(
    join(directory, 'app.ini'),
    `[app:main]
use = file:./app.mjs
filter-with = session

[filter:session]
use = egg:Beaker#beaker_session
key = sid
secret = ${SECRET}
data_dir = %(here)s/data
timeout = 3600
${extra}`,
  )
  writeFileSync(join(directory, 'app.mjs'), 'export default () => (req, res) => res.end()\n')
  let now = Date.now() - 2 * 3_600_000
  const filter = beakerSession({
    secret: SECRET,
    key: 'sid',
    data_dir: join(directory, 'data'),
    timeout: 3600,
    hash_ids: extra.includes('hash_ids'),
    clock: () => now,
  })
  const { visitor } = await serve(
    filter(async (req, res) => {
      const session = await getSession(req)
      session.set('user', req.url!.slice(1))
      session.bindUser(req.url!.slice(1))
      res.end(session.id)
    }),
  )
  await visitor().get('/old')
  now = Date.now()
  const id = await visitor().get('/bob')
  await filter.close?.()
  return { directory, id }
}

describe('sessd sessions', () => {
  test('lists live sessions, and shows one', async () => {
    const { directory, id } = await site()
    const list = await run(['sessions', 'list', 'app.ini'], directory)
    expect(list.code).toBe(0)
    expect(list.stdout).toMatch(
      new RegExp(`^${id}( {2}\\d{4}-\\d\\d-\\d\\dT\\d\\d:\\d\\d:\\d\\dZ){3} {2}\\d+ B {2}bob\\n$`),
    )
    expect(list.stderr).toBe('1 session: id, created, used, dies, size\n')
    const json = await run(['sessions', 'list', 'app.ini', '--json'], directory)
    expect(JSON.parse(json.stdout)).toEqual([expect.objectContaining({ id, bytes: expect.any(Number) })])
    const shown = await run(['sessions', 'show', 'app.ini', id], directory)
    expect(JSON.parse(shown.stdout)).toMatchObject({ id, data: { user: 'bob' } })
  })

  test('revokes by id, and says which ids it does not know', async () => {
    const { directory, id } = await site()
    const revoked = await run(['sessions', 'revoke', 'app.ini', id, 'nobody', '../x'], directory)
    expect(revoked).toEqual({
      code: 1,
      stdout: '',
      stderr: `revoked ${id}\nno session nobody\nno session ../x\n`,
    })
    expect((await run(['sessions', 'list', 'app.ini'], directory)).stderr).toBe('0 sessions\n')
  })

  test('works on hashed ids as the store knows them', async () => {
    const { directory, id } = await site('hash_ids = true')
    const { stdout } = await run(['sessions', 'list', 'app.ini', '--json'], directory)
    const [{ id: hash }] = JSON.parse(stdout) as [{ id: string }]
    expect(hash).toMatch(/^[0-9a-f]{64}$/)
    expect(hash).not.toBe(id)
    expect((await run(['sessions', 'revoke', 'app.ini', hash], directory)).stderr).toBe(`revoked ${hash}\n`)
  })

  test('lists and revokes by user', async () => {
    const { directory, id } = await site()
    const mine = await run(['sessions', 'list', 'app.ini', '--user', 'bob', '--json'], directory)
    expect(JSON.parse(mine.stdout)).toMatchObject([{ id, user: 'bob' }])
    expect((await run(['sessions', 'list', 'app.ini', '--user', 'eve'], directory)).stderr).toBe(
      '0 sessions\n',
    )
    expect(await run(['sessions', 'revoke', 'app.ini', '--user', 'bob'], directory)).toEqual({
      code: 0,
      stdout: '',
      stderr: '1 session of bob revoked\n',
    })
    expect((await run(['sessions', 'list', 'app.ini'], directory)).stderr).toBe('0 sessions\n')
  })

  test('purges what has expired', async () => {
    const { directory } = await site()
    expect(await run(['sessions', 'purge', 'app.ini'], directory)).toEqual({
      code: 0,
      stdout: '',
      stderr: '1 expired session removed\n',
    })
    expect((await run(['sessions', 'purge', 'app.ini', '--json'], directory)).stdout).toBe('{"removed":0}\n')
  })

  test('tells what is missing', async () => {
    const { directory } = await site()
    expect((await run(['sessions', 'show', 'app.ini'], directory)).stderr).toContain(
      'error: You must give an id',
    )
    expect((await run(['sessions', 'list'], directory)).stderr).toContain(
      'error: You must give a config file',
    )
    expect(await run(['sessions', 'list', 'app.ini', '--key', 'other'], directory)).toMatchObject({
      code: 2,
      stderr: expect.stringContaining('error: no session filter has the cookie other: there is sid'),
    })
    writeFileSync(join(directory, 'bare.ini'), '[app:main]\nuse = file:./app.mjs\n')
    expect(await run(['sessions', 'list', 'bare.ini'], directory)).toMatchObject({
      code: 2,
      stderr: expect.stringContaining('error: the file has no session filter that keeps sessions in a store'),
    })
  })
})
