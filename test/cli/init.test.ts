import { mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test, vi } from 'vitest'
import { emptyDirectory } from '../support/directory.js'
import { run } from '../support/main.js'

const FILES = [
  '.dockerignore',
  '.gitignore',
  'Dockerfile',
  'app.mjs',
  'development.ini',
  'package.json',
  'production.ini',
]

describe('sessd init', () => {
  test('makes a project whose files are right, and whose app answers', async () => {
    const directory = emptyDirectory()
    const { code, stdout, stderr } = await run(['init', 'My Site'], directory)
    expect({ code, stdout }).toEqual({ code: 0, stdout: '' })
    expect(stderr).toMatch(
      /^wrote My Site\/development\.ini\n(wrote .*\n)+\nNext: cd My Site && npm install && npm start\n$/,
    )
    const site = join(directory, 'My Site')
    expect(readdirSync(site).sort()).toEqual([...FILES, 'my-site.service'].sort())
    expect(JSON.parse(readFileSync(join(site, 'package.json'), 'utf8'))).toMatchObject({ name: 'my-site' })
    vi.stubEnv('SESSION_SECRET', 'a-secret-of-these-tests-alone')
    for (const file of ['development.ini', 'production.ini']) {
      expect(await run(['check', file], site)).toMatchObject({ code: 0 })
      expect(await run(['request', file, '/'], site)).toMatchObject({
        code: 0,
        stdout: 'Hello! Visit number 1 with this session.\n',
      })
    }
    vi.unstubAllEnvs()
  })

  test('puts a secret into development.ini alone, for its owner, and keeps that out of git and images', async () => {
    const directory = emptyDirectory()
    await run(['init'], directory)
    expect(statSync(join(directory, 'development.ini')).mode & 0o777).toBe(0o600)
    expect(readFileSync(join(directory, 'production.ini'), 'utf8')).toContain(
      `secret = \${env:SESSION_SECRET}\n`,
    )
    for (const file of ['.gitignore', '.dockerignore'])
      expect(readFileSync(join(directory, file), 'utf8')).toMatch(/^development\.ini$/m)
  })

  test('makes a unit for systemd, for the place where a server has the project', async () => {
    const directory = emptyDirectory()
    await run(['init', 'My Site'], directory)
    const unit = readFileSync(join(directory, 'My Site/my-site.service'), 'utf8')
    expect(unit.split('\n')).toEqual(
      expect.arrayContaining([
        'Type=notify',
        'WorkingDirectory=/srv/my-site',
        'ExecStart=/srv/my-site/node_modules/.bin/sessd serve production.ini beaker.session.data_dir=/var/lib/my-site',
        'EnvironmentFile=/etc/my-site.env',
        'StateDirectory=my-site',
      ]),
    )
    vi.stubEnv('SESSION_SECRET', 'a-secret-of-these-tests-alone')
    const data = join(directory, 'elsewhere')
    const site = join(directory, 'My Site')
    const asked = await run(['request', 'production.ini', '/', `beaker.session.data_dir=${data}`], site)
    vi.unstubAllEnvs()
    expect(asked).toMatchObject({ code: 0 })
    expect(readdirSync(data)).toEqual(['container_file'])
    expect(readdirSync(site)).not.toContain('data')
  })

  test('keeps what is there', async () => {
    const directory = emptyDirectory()
    mkdirSync(join(directory, 'site'))
    writeFileSync(join(directory, 'site/package.json'), '{}')
    const { stderr } = await run(['init', 'site'], directory)
    expect(stderr).toContain('kept site/package.json, which was there\n')
    expect(stderr).toMatch(/\nNext: cd site && npm install && npm exec sessd serve development\.ini\n$/)
    expect(readFileSync(join(directory, 'site/package.json'), 'utf8')).toBe('{}')
  })
})
