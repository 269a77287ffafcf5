// `sessd init`: a directory to start from. Everything in it may go into version control but development.ini, which holds
// a secret; production gets its own from the environment.

import { mkdirSync, readdirSync, writeFileSync } from 'node:fs'
import { basename, join, resolve } from 'node:path'
import type { Command } from 'commander'
import { examples } from './help.js'
import { createPrivateFile, readIfThere } from './private-file.js'
import { shortName } from './report.js'
import { randomSecret } from './secret.js'
import { writeUnit } from './systemd.js'
import { development } from './templates/development.js'
import { production } from './templates/production.js'
import type { Template } from './templates/template.js'
import type { Cli } from './terminal.js'
import { version } from './version.js'

export function register(program: Command, cli: Cli): void {
  program
    .command('init')
    .summary('make a directory to start from')
    .usage('[DIRECTORY]')
    .description(
      'Makes a project: INI files for development and production, a small app, package.json, a Dockerfile and a unit ' +
        'for systemd. What is there already stays as it is.',
    )
    .argument('[DIRECTORY]', 'made if it is not there; this one, unless given')
    .addHelpText(
      'after',
      examples([
        ['sessd init site', 'then: cd site, npm install, npm start'],
        ['sessd init', 'in this directory'],
      ]),
    )
    .action((directory = '.') => init(cli, resolve(cli.cwd, directory)))
}

function init(cli: Cli, directory: string): void {
  mkdirSync(directory, { recursive: true })
  const isNew = readdirSync(directory).length === 0
  const app = production.apps.app!
  const name = nameOf(basename(directory))
  const files: readonly [name: string, text: string, isPrivate?: true][] = [
    ['development.ini', fill(development, randomSecret()), true],
    ['production.ini', fill(production, `\${env:SESSION_SECRET}`, { host: '0.0.0.0' })],
    [app.file, app.source],
    ['package.json', packageJson(name)],
    ['Dockerfile', DOCKERFILE],
    [`${name}.service`, serviceFor(name)],
    ['.dockerignore', 'node_modules\ndata\ndevelopment.ini\n.git\n'],
    ['.gitignore', 'node_modules\ndata\ndevelopment.ini\n'],
  ]
  for (const [name, text, isPrivate] of files) {
    const path = join(directory, name)
    if (readIfThere(path) !== undefined) {
      cli.say(`kept ${shortName(path, cli)}, which was there`)
      continue
    }
    if (isPrivate) createPrivateFile(path, text)
    else writeFileSync(path, text, { flag: 'wx' })
    cli.say(`wrote ${shortName(path, cli)}`)
  }
  const there = directory === cli.cwd ? '' : `cd ${shortName(directory, cli)} && `
  cli.say(`\nNext: ${there}npm install && npm ${isNew ? 'start' : 'exec sessd serve development.ini'}`)
}

function fill(template: Template, secret: string, values: Readonly<Record<string, string>> = {}): string {
  const defaults = Object.entries(template.variables).map(([name, variable]) => [name, variable.default])
  return template.render({ ...Object.fromEntries(defaults), secret, ...values })
}

/** A name that npm and systemd both take. */
function nameOf(directory: string): string {
  const name = directory.toLowerCase().replace(/[^a-z0-9-]+/g, '-')
  return name.replace(/^-+|-+$/g, '') || 'site'
}

function packageJson(name: string): string {
  const manifest = {
    name,
    private: true,
    type: 'module',
    scripts: {
      start: 'sessd serve development.ini --reload',
      check: 'sessd check production.ini',
    },
    dependencies: { sessd: `^${version()}` },
  }
  return `${JSON.stringify(manifest, null, 2)}\n`
}

/** The project as it stands on a server: `sessd systemd` prints one for where it is now. */
function serviceFor(name: string): string {
  const directory = `/srv/${name}`
  const unit = writeUnit({
    title: name,
    directory,
    // What systemd makes up as a user may write into the state directory alone.
    command: [
      `${directory}/node_modules/.bin/sessd`,
      'serve',
      'production.ini',
      `beaker.session.data_dir=/var/lib/${name}`,
    ],
    grace: 30,
    who: [`EnvironmentFile=/etc/${name}.env`, 'DynamicUser=yes', `StateDirectory=${name}`],
    more: [],
  })
  return `\
# For the project in ${directory}, after \`npm install --omit=dev\` there. /etc/${name}.env, for root alone, has the line
# SESSION_SECRET=... (npx sessd secret). Then: cp ${name}.service /etc/systemd/system/ && systemctl enable --now ${name}
${unit}
`
}

const DOCKERFILE = `\
FROM node:22-slim
WORKDIR /app
COPY package*.json ./
RUN npm install --omit=dev
COPY . .
RUN mkdir data && chown node data
USER node
ENV NODE_ENV=production
EXPOSE 8080
# SESSION_SECRET has to be given: docker run -e SESSION_SECRET="$(npx sessd secret)" ...
CMD ["node_modules/.bin/sessd", "serve", "production.ini"]
`
