// Parts in TypeScript: vitest would run them anywhere, so this asks the program itself.

import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { ROOT, run } from '../support/cli.js'
import { fileDirectory } from '../support/paste-stub.js'

test('a part in TypeScript is used where this Node can run it, else it is told what can', async () => {
  const cwd = await fileDirectory({
    'x.ini': '[server:main]\nuse = egg:Paste#http\n[app:main]\nuse = call:./parts.ts:make\n',
  })
  await writeFile(join(cwd, 'parts.ts'), 'export const make = (_conf: object) => (_req: object) => {}\n')
  const { code, stderr } = await run(process.execPath, [join(ROOT, 'bin', 'sessd.js'), 'check', 'x.ini'], {
    cwd,
  })
  if ((process.features as { typescript?: unknown }).typescript) {
    expect({ code, stderr }).toMatchObject({ code: 0 })
  } else {
    expect(code).toBe(78)
    expect(stderr).toContain(
      `x.ini:4: [app:main] use: ./parts.ts: this Node (${process.version}) can't run TypeScript. Node 22.18 and later can`,
    )
  }
})
