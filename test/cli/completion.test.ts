import { execFileSync } from 'node:child_process'
import { describe, expect, test } from 'vitest'
import { run } from '../support/main.js'

describe('sessd completion', () => {
  test('completes commands and their options in bash', async () => {
    const { stdout } = await run(['completion', 'bash'])
    const complete = (...words: string[]) =>
      execFileSync('bash', [
        '-c',
        `${stdout}\nCOMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _sessd; echo "\${COMPREPLY[@]}"`,
        'bash',
        ...words,
      ])
        .toString()
        .trim()
    expect(complete('sessd', 'se')).toBe('serve secret sessions')
    expect(complete('sessd', 'serve', '--re')).toBe('--reload')
    expect(complete('sessd', 'sessions', 're')).toBe('revoke')
    expect(complete('sessd', 'serve', 'app.i')).toBe('')
  })

  test('knows zsh and fish, and quotes what they would expand', async () => {
    expect((await run(['completion', 'zsh'])).stdout).toMatch(
      /'serve:serve what a file describes'\n(.*\n)*compdef _sessd sessd\n$/,
    )
    const { stdout } = await run(['completion', 'fish'])
    expect(stdout).toContain(
      "complete -c sessd -n __fish_use_subcommand -f -a serve -d 'serve what a file describes'\n",
    )
    expect(stdout).toContain(
      "complete -c sessd -n '__fish_seen_subcommand_from serve' -s p -l port -d 'listen on this port; 0 for any free one'\n",
    )
    for (const line of stdout.trimEnd().split('\n')) expect(line).toMatch(/^complete -c sessd -n [^$`\\]*$/)
  })

  test('refuses other shells', async () => {
    expect(await run(['completion', 'tcsh'])).toEqual({
      code: 2,
      stdout: '',
      stderr: 'error: expected bash, zsh or fish, got "tcsh"\nTry: sessd completion --help\n',
    })
  })
})
