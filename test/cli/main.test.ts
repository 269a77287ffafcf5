import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { run } from '../support/main.js'

const ROOT = join(import.meta.dirname, '..', '..')
const COMMANDS = [
  'serve',
  'check',
  'show',
  'request',
  'init',
  'make-config',
  'options',
  'secret',
  'sessions',
  'systemd',
  'completion',
]

describe('sessd', () => {
  test('without arguments prints its help on stderr and exits 2', async () => {
    const { code, stdout, stderr } = await run([])
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' })
    expect(stderr).toBe((await run(['--help'])).stdout)
  })

  test('help COMMAND is COMMAND --help', async () => {
    expect(await run(['help', 'serve'])).toEqual(await run(['serve', '--help']))
    expect(await run(['help'])).toEqual(await run(['--help']))
  })

  test('prints the version of the package', async () => {
    const { version } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as { version: string }
    expect(await run(['--version'])).toEqual({ code: 0, stdout: `${version}\n`, stderr: '' })
    expect(await run(['-V'])).toEqual({ code: 0, stdout: `${version}\n`, stderr: '' })
  })

  test('suggests the command that was meant', async () => {
    expect(await run(['serv', 'app.ini'])).toEqual({
      code: 2,
      stdout: '',
      stderr: "error: unknown command 'serv'\n(Did you mean serve?)\nTry: sessd --help\n",
    })
  })

  test('suggests the option that was meant', async () => {
    expect(await run(['serve', '--prot', '80', 'app.ini'])).toEqual({
      code: 2,
      stdout: '',
      stderr: "error: unknown option '--prot'\n(Did you mean --port?)\nTry: sessd serve --help\n",
    })
  })

  test.each(['serve', 'check', 'show'])('%s asks for the file that is not given', async (command) => {
    expect(await run([command])).toEqual({
      code: 2,
      stdout: '',
      stderr: `error: You must give a config file\nTry: sessd ${command} --help\n`,
    })
  })

  test.each(['serve', 'check', 'show'])('%s names an assignment that is none', async (command) => {
    expect(await run([command, 'app.ini', 'debug=true', 'novalue'])).toEqual({
      code: 2,
      stdout: '',
      stderr: `error: expected name=value, got "novalue"\nTry: sessd ${command} --help\n`,
    })
    expect((await run([command, 'app.ini', '=x'])).stderr).toContain('error: expected name=value, got "=x"\n')
  })

  test('refuses a port that is none before it reads anything', async () => {
    expect(await run(['serve', 'app.ini', '-p', '65536'])).toEqual({
      code: 2,
      stdout: '',
      stderr:
        'error: --port: expected a whole number from 0 to 65535, got "65536"\nTry: sessd serve --help\n',
    })
  })

  test('refuses a number of workers that is none', async () => {
    expect(await run(['serve', 'app.ini', '-w', '0'])).toEqual({
      code: 2,
      stdout: '',
      stderr:
        'error: --workers: expected a whole number from 1 to 1024, or auto, got "0"\nTry: sessd serve --help\n',
    })
  })

  test.each(COMMANDS)('%s has help that fits 80 columns and ends with examples', async (command) => {
    const { code, stdout, stderr } = await run([command, '--help'])
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
    expect(stdout.split('\n').filter((line) => line.length > 80)).toEqual([])
    expect(stdout).toMatch(new RegExp(`\\nExamples:\\n( {2}.*sessd ${command}.*\\n)+$`))
  })

  test('has a page that shows the help as it is', async () => {
    const page = readFileSync(join(ROOT, 'docs', 'cli.md'), 'utf8')
    for (const argv of [['--help'], ...COMMANDS.map((command) => [command, '--help'])]) {
      expect(page).toContain(`\`\`\`text\n${(await run(argv)).stdout}\`\`\`\n`)
    }
  })
})
