// What no public door leads to, for the micro benches: dist/ holds few large files, so these modules are bundled anew.

import { isAbsolute, join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { rolldown } from 'rolldown'

const root = fileURLToPath(new URL('../..', import.meta.url))
/** Below node_modules, from where our packages are found, and where nobody looks for anything to keep. */
const directory = join(root, 'node_modules/.cache/sessd-bench')

/** Imports modules of src/, named as in `session/id`: all that they export, in one object. */
export async function importSource(...names) {
  const text = names.map((name) => `export * from ${JSON.stringify(join(root, `src/${name}.ts`))}\n`).join('')
  const bundle = await rolldown({
    input: 'source',
    platform: 'node',
    external: (id) => id !== 'source' && !id.startsWith('.') && !isAbsolute(id),
    plugins: [
      {
        name: 'source',
        resolveId: (id) => (id === 'source' ? id : undefined),
        load: (id) => (id === 'source' ? text : undefined),
      },
    ],
  })
  await bundle.write({ dir: directory, entryFileNames: 'source.js' })
  await bundle.close()
  return import(pathToFileURL(join(directory, 'source.js')).href)
}
