// `sessd serve` while it is changed, broken, killed and stopped under load: nobody who asks is let down.

import { mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs'
import { Agent } from 'node:http'
import { join } from 'node:path'
import { describe, expect, onTestFinished, test, vi } from 'vitest'
import { ROOT, run, serveFile } from '../support/cli.js'
import { emptyDirectory } from '../support/directory.js'
import { get, startLoad } from '../support/load.js'

const APP = `
import { word } from './word.mjs'
const go = new Promise((resolve) => process.on('SIGUSR2', resolve))
export default (globalConf, { greeting = 'none' }) => async (req, res) => {
  if (req.url === '/crash') setImmediate(() => { throw new Error('out of the blue') })
  if (req.url === '/slow') {
    const session = await req.environ['beaker.session'].load()
    session.set('kept', 'yes')
    session.save()
    await go
  }
  if (req.url === '/kept') return res.end(String((await req.environ['beaker.session'].load()).get('kept')))
  res.end([process.pid, greeting, word].join(' '))
}
`

const ini = (greeting: string, server = '', session = 'beaker.session.data_dir = %(here)s/data') => `
[server:main]
use = egg:Paste#http
port = 0
${server}

[pipeline:main]
pipeline = session hello

[app:hello]
use = file:app.mjs
greeting = ${greeting}

[filter:session]
use = egg:Beaker#beaker_session
beaker.session.secret = a-secret-of-these-tests-alone
${session}
`

/** A directory with an app and its INI file. */
function site(text = ini('one')) {
  const directory = emptyDirectory()
  const write = (name: string, content: string) => {
    writeFileSync(join(directory, `${name}.new`), content) // as editors do: write aside, then rename
    renameSync(join(directory, `${name}.new`), join(directory, name))
  }
  write('app.mjs', APP)
  write('word.mjs', `export const word = 'alpha'`)
  write('app.ini', text)
  return { directory, file: join(directory, 'app.ini'), write }
}

const pids = (answers: readonly string[]) => new Set(answers.map((answer) => answer.split(' ')[0]))

describe('SIGHUP', () => {
  test('loads the file again, and no request fails meanwhile', async () => {
    const { file, write } = site()
    const served = await serveFile(file)
    const loads = [startLoad(served.url), startLoad(served.url, { keepAlive: true })]
    for (const greeting of ['two', 'three', 'four']) {
      await Promise.all(loads.map((load) => load.more(100)))
      write('app.ini', ini(greeting))
      served.signal('SIGHUP')
      await vi.waitFor(async () => expect(await get(served.url)).toMatch(greeting), 10_000)
    }
    await Promise.all(loads.map((load) => load.stop()))
    expect(loads.flatMap(({ failures }) => failures)).toEqual([])
    expect(pids(loads.flatMap(({ answers }) => answers)).size).toBe(1)
    expect((await served.stop()).code).toBe(0)
  })

  test('leaves everything as it was when the file is broken, and tells why', async () => {
    const { file, write } = site()
    const served = await serveFile(file)
    write('app.ini', ini('two').replace('greeting', 'use'))
    served.signal('SIGHUP')
    await served.says('what was loaded before goes on serving')
    expect(served.said()).toMatch(/app\.ini:\d+: .*use/)
    expect(await get(served.url)).toMatch('one')
    write('app.ini', ini('three'))
    served.signal('SIGHUP')
    await served.says('loaded again')
    expect(await get(served.url)).toMatch('three')
  })

  test('replaces all workers by new ones, which load the modules again, and no request fails', async () => {
    const { file, write } = site(ini('one', 'workers = 2'))
    const served = await serveFile(file)
    const loads = [startLoad(served.url), startLoad(served.url, { keepAlive: true })]
    await Promise.all(loads.map((load) => load.more(100)))
    write('word.mjs', `export const word = 'beta'`)
    served.signal('SIGHUP')
    await served.says('loaded again')
    await Promise.all(loads.map((load) => load.more(100)))
    await Promise.all(loads.map((load) => load.stop()))
    expect(loads.flatMap(({ failures }) => failures)).toEqual([])
    expect(await get(served.url)).toMatch('one beta')
    expect((await served.stop()).code).toBe(0)
  })
})

describe('--reload', () => {
  test('takes changes of the file and of its modules, and no request fails', async () => {
    const { file, write } = site()
    const served = await serveFile(file, '--reload')
    const loads = [startLoad(served.url), startLoad(served.url, { keepAlive: true })]
    await Promise.all(loads.map((load) => load.more(50)))
    write('word.mjs', `export const word = 'beta'`)
    await vi.waitFor(async () => expect(await get(served.url)).toMatch('one beta'), 10_000)
    write('app.ini', ini('two'))
    await vi.waitFor(async () => expect(await get(served.url)).toMatch('two beta'), 10_000)
    await Promise.all(loads.map((load) => load.stop()))
    expect(loads.flatMap(({ failures }) => failures)).toEqual([])
    expect(served.said()).toMatch(/word\.mjs changed, loading again\n/)
    expect((await served.stop()).code).toBe(0)
  })

  test('keeps what works while a module is broken, and goes on when it is mended', async () => {
    const { file, write } = site()
    const served = await serveFile(file, '--reload')
    write('word.mjs', 'export const word = ;')
    await served.says('what was loaded before goes on serving')
    expect(await get(served.url)).toMatch('one alpha')
    write('word.mjs', `export const word = 'mended'`)
    await vi.waitFor(async () => expect(await get(served.url)).toMatch('one mended'), 10_000)
  })
})

describe('workers', () => {
  test('are as many as the file says, and answer on one port', async () => {
    const { file } = site(ini('one', 'workers = 3\npid_file = %(here)s/sessd.pid'))
    const served = await serveFile(file)
    await vi.waitFor(async () => {
      const load = startLoad(served.url, { clients: 12 })
      await load.more(200)
      await load.stop()
      expect(load.failures).toEqual([])
      expect(pids(load.answers).size).toBe(3)
    }, 10_000)
    expect(readFileSync(join(file, '../sessd.pid'), 'utf8')).toMatch(/^\d+\n$/)
    expect((await served.stop()).code).toBe(0)
    expect(() => readFileSync(join(file, '../sessd.pid'))).toThrow('ENOENT')
  })

  test('one that is killed while it idles costs no request, and is replaced', async () => {
    const { file } = site(ini('one', 'workers = 2'))
    const served = await serveFile(file)
    // One connection that stays busy makes its worker the other one.
    const load = startLoad(served.url, { clients: 1, keepAlive: true })
    await load.more(20)
    const [busy] = pids(load.answers)
    const seen = startLoad(served.url, { clients: 8 })
    await vi.waitFor(() => expect(pids(seen.answers).size).toBe(2), 10_000)
    const idle = [...pids(seen.answers)].find((pid) => pid !== busy)
    await seen.stop()
    process.kill(Number(idle), 'SIGKILL')
    const after = startLoad(served.url, { clients: 4 })
    await after.more(300)
    await served.says(`worker ${idle} was ended by SIGKILL; another one starts at once`)
    await after.more(300)
    await Promise.all([load.stop(), after.stop()])
    expect([...load.failures, ...after.failures]).toEqual([])
    expect((await served.stop()).code).toBe(0)
  })

  test('one that crashes lets the other one serve', async () => {
    const { file } = site(ini('one', 'workers = 2'))
    const served = await serveFile(file)
    await get(`${served.url}/crash`)
    await served.says('ended with code 1; another one starts at once')
    expect(await get(served.url)).toMatch('one')
  })

  test('refuse sessions that live in the memory of one process', async () => {
    const { file } = site(ini('one', 'workers = 2', 'beaker.session.type = memory'))
    const { code, stderr } = await run(process.execPath, [join(ROOT, 'bin/sessd.js'), 'serve', file])
    expect(stderr).toBe(
      `error: ${file}: the sessions of the cookie "beaker.session.id" are kept in the memory of one process, and each ` +
        'of 2 workers would have its own: set beaker.session.type to file, ext:redis, ext:memcached or ext:database, or workers to 1\n',
    )
    expect(code).toBe(78)
  })
})

describe('SIGTERM', () => {
  test.each(['', 'workers = 2'])(
    'lets 100 running requests finish and stores their sessions (%s)',
    async (server) => {
      const { file, directory } = site(ini('one', server))
      mkdirSync(join(directory, 'data'))
      const served = await serveFile(file)
      const agent = new Agent({ keepAlive: true })
      onTestFinished(() => agent.destroy())
      const workers = startLoad(served.url, { clients: 8 })
      await workers.more(100)
      await workers.stop()
      const cookies: string[] = []
      const slow = Array.from({ length: 100 }, async () => {
        const res = await fetch(`${served.url}/slow`)
        cookies.push(res.headers.getSetCookie()[0]!.split(';')[0]!)
        return `${res.status} ${await res.text()}`
      })
      const began = startLoad(served.url, { clients: 4 })
      await began.more(200) // all hundred have been taken
      await began.stop()
      served.signal('SIGTERM')
      await vi.waitFor(() => expect(get(served.url)).rejects.toThrow('ECONNREFUSED'), 10_000)
      for (const pid of pids([...workers.answers, ...began.answers])) signalIfThere(Number(pid), 'SIGUSR2')
      const answers = await Promise.all(slow)
      expect(answers.filter((answer) => !/^200 \d+ one alpha$/.test(answer))).toEqual([])
      expect((await served.ended).code).toBe(0)
      const again = await serveFile(file)
      const kept = await Promise.all(
        cookies.map(async (cookie) => (await fetch(`${again.url}/kept`, { headers: { cookie } })).text()),
      )
      expect(kept.filter((value) => value !== 'yes')).toEqual([])
    },
  )
})

/** A worker that had nothing to finish may be gone. */
function signalIfThere(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal)
  } catch (error) {
    expect(error).toMatchObject({ code: 'ESRCH' })
  }
}
