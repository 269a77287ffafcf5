// `sessd request`: one request through what a file describes, filters and sessions included, and no port opened.

import { readFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { buffer } from 'node:stream/consumers'
import type { Command } from 'commander'
import { loadApp, setupLogging } from '../loader.js'
import { readTarget, type Target } from './arguments.js'
import { CookieJar } from './cookie-jar.js'
import { examples } from './help.js'
import { ask } from './in-memory.js'
import { tapStrays, tapWarnings } from './process-events.js'
import { reportStray, reportWarning } from './report.js'
import type { Cli } from './terminal.js'

interface Options {
  readonly appName?: string
  readonly method?: string
  readonly header?: readonly string[]
  readonly data?: string
  readonly cookie?: string
  readonly cookieJar?: string
  readonly include?: true
  readonly debug?: true
}

/** RFC 9110, 5.6.2. */
const TOKEN = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/
const HOST = 'localhost'

export function register(program: Command, cli: Cli): void {
  program
    .command('request')
    .summary('make one request, without a server')
    .usage('[options] FILE[#app] PATH [name=value ...]')
    .description(
      'Makes one request of what an INI file describes, without a server, and prints the body of the answer. Exits ' +
        'with 1 if its status is 400 or more.',
    )
    .argument('[FILE]', 'the INI file; #x for its [app:x] in place of [app:main]')
    .argument('[PATH]', 'what is asked for, as in /page?x=1')
    .argument('[name=value...]', 'settings that win over those of the file')
    .option('-n, --app-name <name>', 'the same as #name after FILE')
    .option('-m, --method <method>', 'GET, unless there is data: then POST')
    .option('-H, --header <line>', 'a header, as in "Accept: text/html"; may be given often', collect)
    .option('-d, --data <data>', 'the body; @FILE for what is in a file')
    .option('-b, --cookie <cookies>', 'name=value, or a file that -c or curl wrote')
    .option('-c, --cookie-jar <file>', 'write the cookies to a file afterwards')
    .option('-i, --include', 'print status and headers too')
    .addHelpText(
      'after',
      examples([
        ['sessd request app.ini /', 'the page at /'],
        ['sessd request app.ini /login -d user=ann -c jar', 'log in, keep the cookie'],
        ['sessd request app.ini /me -b jar -i', 'and use it'],
      ]),
    )
    .action(
      async (
        file: string | undefined,
        path: string | undefined,
        assignments: string[],
        options: Options,
        command: Command,
      ) => {
        const target = readTarget(command, cli, file, assignments, options.appName)
        if (path === undefined || !/^\/[!-~]*$/.test(path))
          command.error(`error: expected a path that starts with /, got ${JSON.stringify(path ?? '')}`)
        if (options.method !== undefined && !TOKEN.test(options.method))
          command.error(`error: --method: expected a word as in GET, got ${JSON.stringify(options.method)}`)
        const headers = (options.header ?? []).flatMap((line) => readHeader(command, line))
        const body = readData(command, cli, options.data)
        await makeRequest(cli, target, path, headers, body, options)
      },
    )
}

function collect(value: string, before: readonly string[] = []): string[] {
  return [...before, value]
}

function readHeader(command: Command, line: string): [string, string] {
  const [, name = '', value = ''] = /^([^:]*):[ \t]*([\t -~\x80-\xff]*)$/.exec(line) ?? []
  if (!TOKEN.test(name)) command.error(`error: --header: expected "Name: value", got ${JSON.stringify(line)}`)
  return [name, value]
}

/** The body that --data stands for: a text, or after `@` the name of a file. undefined for none. */
function readData(command: Command, cli: Cli, data = ''): Buffer | undefined {
  if (!data.startsWith('@')) return data === '' ? undefined : Buffer.from(data)
  const file = data.slice(1)
  try {
    return readFileSync(resolve(cli.cwd, file))
  } catch (error) {
    const reason =
      (error as NodeJS.ErrnoException).code === 'ENOENT' ? 'there is no such file' : String(error)
    return command.error(`error: --data: ${file}: ${reason}`)
  }
}

async function makeRequest(
  cli: Cli,
  target: Target,
  path: string,
  given: readonly string[],
  body: Buffer | undefined,
  options: Options,
): Promise<void> {
  const now = Date.now() / 1000
  const { cookie } = options
  const isFile = cookie !== undefined && !cookie.includes('=')
  const jar = isFile ? CookieJar.read(resolve(cli.cwd, cookie)) : new CookieJar()
  const sent = isFile ? jar.header(path, now) : cookie
  const headers = [...given]
  const add = (name: string, value: string) => {
    if (!given.some((header, i) => i % 2 === 0 && header.toLowerCase() === name.toLowerCase()))
      headers.push(name, value)
  }
  add('Host', HOST)
  if (sent) add('Cookie', sent)
  if (body) add('Content-Type', 'application/x-www-form-urlencoded')
  if (body) add('Content-Length', String(body.length))
  const stray = (error: unknown) => reportStray('nobody caught this', error, cli, options.debug === true)
  const taps = [
    tapWarnings((message) => reportWarning(message, cli)),
    tapStrays({ rejection: stray, exception: stray }),
  ]
  const { uri, name, globalConf } = target
  let endLogging = async () => {}
  try {
    endLogging = await setupLogging(uri, { globalConf })
    const app = await loadApp(uri, { name, globalConf, onWarning: (warning) => reportWarning(warning, cli) })
    try {
      const method = options.method ?? (body ? 'POST' : 'GET')
      const answer = await ask(app, { method, path, headers, body })
      const { statusCode = 0, statusMessage, httpVersion, rawHeaders } = answer
      if (options.include === true) {
        cli.print(`HTTP/${httpVersion} ${statusCode} ${statusMessage}`)
        for (let i = 0; i < rawHeaders.length; i += 2) cli.print(`${rawHeaders[i]}: ${rawHeaders[i + 1]}`)
        cli.print('')
      }
      cli.write(await buffer(answer))
      for (const header of answer.headers['set-cookie'] ?? []) jar.store(header, now)
      if (options.cookieJar !== undefined) jar.write(resolve(cli.cwd, options.cookieJar), HOST)
      if (statusCode >= 400) cli.exitCode = 1
    } finally {
      await app.close?.()
    }
  } finally {
    for (const end of taps) end()
    await endLogging()
  }
}
