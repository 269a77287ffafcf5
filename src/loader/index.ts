// The loader's door inside the project: INI files to apps, filters and servers. It knows no part by name; builtins and
// adapters are handed in (src/loader.ts does that for users).

export { createLoader } from './loader.js'
export type * from './model.js'
