// Sources as plain JavaScript, for processes that a test starts: they run what stands in src, not what was built last.

import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join, relative } from 'node:path'
import ts from 'typescript'
import { onTestFinished } from 'vitest'

const ROOT = join(import.meta.dirname, '..', '..')

/** Compiles a file of ours and all it imports of ours; answers where the result is. It is gone after the test. */
export function compile(entry: string): string {
  const target = mkdtempSync(join(tmpdir(), 'sessd-compiled-'))
  onTestFinished(() => rmSync(target, { recursive: true, force: true }))
  writeFileSync(join(target, 'package.json'), '{"type":"module"}')
  const place = (source: string) => join(target, relative(ROOT, source).replace(/\.ts$/, '.js'))
  const done = new Set<string>()
  const visit = (source: string): void => {
    if (done.has(source)) return
    done.add(source)
    const text = readFileSync(source, 'utf8')
    const { outputText } = ts.transpileModule(text, {
      compilerOptions: {
        module: ts.ModuleKind.ESNext,
        target: ts.ScriptTarget.ES2023,
        verbatimModuleSyntax: true,
      },
    })
    mkdirSync(dirname(place(source)), { recursive: true })
    writeFileSync(place(source), outputText)
    for (const { fileName } of ts.preProcessFile(outputText).importedFiles) {
      if (fileName.startsWith('.')) visit(join(dirname(source), fileName.replace(/\.js$/, '.ts')))
    }
  }
  visit(join(ROOT, entry))
  return place(join(ROOT, entry))
}
