// Makes the JavaScript in dist/ from src/ (decision 021): a file for each door of package.json, and what doors share in few
// large parts, because Node takes a third of a millisecond to find, open and link one module. tsc adds the types.

import { readdirSync, readFileSync } from 'node:fs'
import { basename, dirname, isAbsolute } from 'node:path'
import { defineConfig } from 'rolldown'

const { exports } = JSON.parse(readFileSync(new URL('package.json', import.meta.url), 'utf8'))

/** The modules that something outside leads to, as `loader` for src/loader.ts: the exports, and the command line. */
const doors = Object.values(exports)
  .flatMap(({ default: file }) => (file === undefined ? [] : [file.slice('./dist/'.length, -'.js'.length)]))
  .flatMap((name) => (basename(name) === '*' ? modulesIn(dirname(name)) : [name]))
  .concat('cli/main')

function modulesIn(directory) {
  const files = readdirSync(new URL(`src/${directory}`, import.meta.url))
  return files.filter((file) => file.endsWith('.ts')).map((file) => `${directory}/${basename(file, '.ts')}`)
}

export default defineConfig({
  input: Object.fromEntries(doors.map((name) => [name, `src/${name}.ts`])),
  platform: 'node',
  // Packages stay packages: they are installed beside us.
  external: (id) => !id.startsWith('.') && !isAbsolute(id),
  checks: { ineffectiveDynamicImport: false },
  output: {
    dir: 'dist',
    cleanDir: true,
    entryFileNames: '[name].js',
    // The names of the source: who exchanges the package under a running server gets no other function by the same letter.
    minifyInternalExports: false,
    // As deep as src/cli: package.json is found from there.
    chunkFileNames: 'parts/[name].js',
    codeSplitting: {
      // Each with all that it imports and that no group before it has. The doors that an app's own bundler may come
      // through (Next's) must not lead to the command line, nor to stores whose packages are not installed.
      groups: [
        {
          name: 'app',
          test: /src[\\/](filters[\\/](context|get-session)|frameworks[\\/]\w+)\.ts$/,
          priority: 5,
        },
        {
          name: 'session',
          test: /src[\\/]session[\\/](?!testing|index\.ts|stores[\\/](?!memory\.ts))/,
          priority: 4,
        },
        { name: 'file', test: /src[\\/]session[\\/]stores[\\/]file\.ts$/, priority: 3 },
        {
          name: 'start',
          test: /src[\\/](cli[\\/](main|serve)|loader|servers[\\/]http|apps[\\/]urlmap|filters[\\/]beaker_session)\.ts$/,
          priority: 2,
        },
        { name: 'index', test: /src[\\/]index\.ts$/, priority: 1 },
      ],
    },
  },
})
