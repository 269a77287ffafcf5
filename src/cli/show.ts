// `sessd show`: the tree that a file composes, with the place of every part and every value.

import { dirname, relative, resolve, sep } from 'node:path'
import type { Command } from 'commander'
import { createLoader, type Node } from '../loader.js'
import { readTarget, type Target, takeTarget } from './arguments.js'
import { examples } from './help.js'
import type { PictureOptions } from './picture/svg.js'
import { tapStrays, tapWarnings } from './process-events.js'
import { BAD_CONFIG, reportError, reportStray, reportWarning, shortName } from './report.js'
import type { Cli } from './terminal.js'
import { drawTrees } from './tree.js'
import { writeOpenFile } from './write-file.js'

interface Options {
  readonly appName?: string
  readonly serverName?: string
  readonly settings?: true
  readonly json?: true
  readonly svg?: string
  readonly html?: string
  readonly debug?: true
}

export function register(program: Command, cli: Cli): void {
  takeTarget(program.command('show'))
    .summary('draw what a file composes')
    .description(
      'Draws the server, filters, mounts and apps that an INI file composes, in the order in which a request meets ' +
        'them, each with its file and line. Makes them to find out, and listens nowhere.',
    )
    .option('-v, --settings', 'show each setting, and where it comes from')
    .option('--json', 'print { server, app } on stdout, settings included')
    .option('--svg <file>', 'draw a picture into a file; - for stdout')
    .option('--html <file>', 'a page with the picture and all settings; - for stdout')
    .addHelpText(
      'after',
      examples([
        ['sessd show app.ini', 'the tree'],
        ['sessd show app.ini -v', 'and every setting; secrets are ***'],
        ['sessd show app.ini --html app.html', 'for a browser'],
        ['sessd show app.ini#admin', 'the tree of [app:admin]'],
      ]),
    )
    .action(async (file: string | undefined, assignments: string[], options: Options, command: Command) => {
      const target = readTarget(command, cli, file, assignments, options.appName)
      const onStdout = [options.json, options.svg === '-', options.html === '-'].filter(
        (given) => given === true,
      )
      if (onStdout.length > 1)
        command.error('error: stdout takes one of --json, --svg - and --html -, write the others to files')
      await show(cli, target, options)
    })
}

async function show(cli: Cli, target: Target, options: Options): Promise<void> {
  const { uri, name, globalConf } = target
  const debug = options.debug === true
  const stray = (error: unknown) => reportStray('nobody caught this', error, cli, debug)
  const taps = [
    tapWarnings((message) => reportWarning(message, cli)),
    tapStrays({ rejection: stray, exception: stray }),
  ]
  const loader = createLoader()
  try {
    const server = await loader.load('server', uri, { name: options.serverName, globalConf, collect: true })
    const app = await loader.load('app', uri, { name, globalConf, collect: true })
    const roots = [server.node, app.node].filter((node) => node !== undefined)
    const pictures = PICTURES.filter((format) => options[format] !== undefined)
    for (const format of roots.length > 0 ? pictures : []) {
      const out = options[format]!
      // A picture is sent around: it names files as the drawn one sees them, not as this machine does.
      const fileName = (path: string) => relative(dirname(target.file), path).replaceAll(sep, '/')
      const text = await drawPicture(format, roots, { title: fileName(target.file), fileName })
      if (out === '-') cli.write(Buffer.from(text))
      else {
        const path = resolve(cli.cwd, out)
        refuseSource(path, loader.files)
        writeOpenFile(path, text)
        cli.say(`wrote ${shortName(path, cli)}`)
      }
    }
    if (options.json === true) {
      cli.print(JSON.stringify({ server: server.node ?? null, app: app.node ?? null }, null, 2))
    } else if (pictures.length === 0 && roots.length > 0) {
      const fileName = (path: string) => shortName(path, cli)
      const settings = options.settings === true
      cli.print(drawTrees(roots, { settings, columns: cli.columns, paint: cli.paintOut, fileName }))
    }
    const errors = new Map([...server.errors, ...app.errors].map((error) => [error.message, error]))
    for (const error of errors.values()) reportError(error, cli, debug)
    if (errors.size > 0) cli.exitCode = BAD_CONFIG
  } finally {
    await loader.close()
    for (const end of taps) end()
  }
}

const PICTURES = ['svg', 'html'] as const

/** Loaded only for whoever wants one. */
async function drawPicture(
  format: (typeof PICTURES)[number],
  roots: readonly Node[],
  options: PictureOptions,
): Promise<string> {
  if (format === 'svg') return (await import('./picture/svg.js')).drawSvg(roots, options)
  return (await import('./picture/page.js')).drawPage(roots, options)
}

/** A slip like `--svg app.ini` would be the end of app.ini. */
function refuseSource(path: string, files: readonly string[]): void {
  if (files.includes(path)) throw new Error(`${path} is what is drawn, expected another file to write`)
}
