// `sessd secret`: one good secret on stdout, and nothing else there.

import { randomBytes } from 'node:crypto'
import type { Command } from 'commander'
import { integer } from '../config/converters.js'
import { examples } from './help.js'
import type { Cli } from './terminal.js'

/** 256 bits: the strength of the HMAC-SHA256 and AES-256 keys that are made of a secret. */
const BYTES = 32

const bytes = integer(BYTES, 1024)

/** `count` random bytes in `A-Za-z0-9_-`: needs no quoting in INI files, shells and URLs. */
export function randomSecret(count = BYTES): string {
  return randomBytes(count).toString('base64url')
}

export function register(program: Command, cli: Cli): void {
  program
    .command('secret')
    .summary('print a secret')
    .description('Prints a random secret made of the characters A-Z, a-z, 0-9, _ and -.')
    .usage('[options]')
    .option('-n, --bytes <count>', `random bytes that it is made of; ${BYTES}, unless more`)
    .addHelpText(
      'after',
      examples([
        ['sessd secret', '43 characters, 256 bits'],
        ['sessd secret -n 64', '86 characters, 512 bits'],
        ['sessd make-config app.ini secret="$(sessd secret)"', ''],
      ]),
    )
    .action((options: { bytes?: string }, command: Command) => {
      const count = options.bytes === undefined ? BYTES : bytes.parse(options.bytes)
      if (count === undefined) {
        command.error(`error: --bytes: expected ${bytes.expected}, got ${JSON.stringify(options.bytes)}`)
      }
      cli.print(randomSecret(count))
    })
}
