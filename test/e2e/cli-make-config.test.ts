// The first five minutes: make a file, check it, serve it.

import { join } from 'node:path'
import { expect, test } from 'vitest'
import { ROOT, run, serveFile } from '../support/cli.js'
import { emptyDirectory } from '../support/directory.js'

const sessd = (cwd: string, ...args: string[]) =>
  run(process.execPath, [join(ROOT, 'bin', 'sessd.js'), ...args], { cwd })

test.each(['development', 'production', 'composite'])(
  'template %s passes check, and serves sessions',
  async (template) => {
    const cwd = emptyDirectory()
    expect(await sessd(cwd, 'make-config', template, 'it.ini')).toMatchObject({ code: 0 })
    expect(await sessd(cwd, 'check', 'it.ini')).toEqual({
      code: 0,
      stdout: '',
      stderr: 'it.ini: no errors, no warnings\n',
    })
    const served = await serveFile(join(cwd, 'it.ini'))
    const visitor = served.visitor()
    expect(await visitor.get('/')).toBe('Hello! Visit number 1 with this session.\n')
    expect(await visitor.get('/')).toBe('Hello! Visit number 2 with this session.\n')
    expect(await served.visitor().get('/')).toBe('Hello! Visit number 1 with this session.\n')
    if (template === 'composite') expect(await visitor.get('/api/x')).toBe('{"path":"/x","visits":2}')
    expect(await served.stop()).toEqual({ code: 0, stderr: `serving on ${served.url}\n` })

    const again = await serveFile(join(cwd, 'it.ini'))
    const same = await fetch(again.url, { headers: { cookie: visitor.cookie } })
    expect(await same.text()).toBe('Hello! Visit number 3 with this session.\n')
  },
)
