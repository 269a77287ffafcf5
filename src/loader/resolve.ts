// From names to contexts: finds sections, follows `use`, `next`, `pipeline` and `filter-with` through files, and
// resolves factories. Nothing is made here, so a mistake anywhere in the static tree comes before the first side effect.

import { ConfigError, type Place } from '../config/errors.js'
import { type Asked, type Context, overlay, type Part } from './context.js'
import { type Step, stepBack, stepTo } from './cycle.js'
import type { Factories } from './factories.js'
import { withPlace } from './issues.js'
import type { ConfigFile, Kind, Section } from './model.js'
import { BY_PREFIX, EXPLICIT, MAKER_WORDS } from './protocols.js'
import { FileScope, type Surrounding } from './scope.js'
import { findSection, prefixOf } from './sections.js'
import { type Reading, readSection, type Setting, type Settings } from './settings.js'
import { isUri, parseUri, pathOf, type Uri } from './uri.js'
import { warning } from './warning.js'
import { splitWords } from './whitespace.js'

/** Who asks for something: where, handing down what, and on which way it got there. */
export interface Asker {
  /** The file in which the name is written; undefined: code asks. */
  readonly scope: FileScope | undefined
  readonly directory: string | undefined
  readonly handed: Settings | undefined
  readonly place: Place | undefined
  readonly step: Step | undefined
}

export class Resolver {
  /** Sections that something asked for, as `file [title]`. */
  readonly reached = new Set<string>()
  readonly #factories: Factories
  readonly #readFile: (path: string, asker: Place | undefined) => Promise<ConfigFile>
  readonly #surrounding: Surrounding

  constructor(
    factories: Factories,
    readFile: (path: string, asker: Place | undefined) => Promise<ConfigFile>,
    surrounding: Surrounding,
  ) {
    this.#factories = factories
    this.#readFile = readFile
    this.#surrounding = surrounding
  }

  /** What `name` (a name or a URI) means to the asker. When errors are gathered, a mistake gives a broken context. */
  async reference(kind: Kind, name: string, asker: Asker): Promise<Context> {
    // A chain of `use` may be longer than the stack: from here on each link has its own.
    await undefined
    try {
      const { scope } = asker
      if (isUri(name) || scope === undefined) return await this.uri(kind, parseUri(name), undefined, asker)
      return await this.#section(kind, scope, findSection(scope.file, kind, name), asker)
    } catch (error) {
      this.#surrounding.issues.report(withPlace(explainComment(error, name), asker.place))
      return { type: 'broken', kind, globals: new Map(), asked: askedByName(name, `${kind} ${name}`, asker) }
    }
  }

  /** The same for a URI, with a name that beats its fragment. Throws its mistakes. */
  async uri(kind: Kind, uri: Uri, name: string | undefined, asker: Asker): Promise<Context> {
    if (uri.scheme === 'config') {
      const file = await this.#readFile(pathOf(uri, asker.directory), asker.place)
      for (const warning of file.warnings) this.#surrounding.issues.warn(warning)
      for (const error of file.errors) this.#surrounding.issues.report(error)
      const scope = new FileScope(file, asker.handed, this.#surrounding)
      try {
        const section = findSection(file, kind, name ?? uri.fragment ?? 'main', asker.place?.file)
        return await this.#section(kind, scope, section, asker)
      } catch (error) {
        throw withPlace(error, asker.place ?? { file: file.path })
      }
    }
    const factory = await this.#factories.resolve(kind, uri, name, asker.directory)
    const asked = askedByName(factory.label, JSON.stringify([kind, uri.text, name, asker.directory]), asker)
    return { type: 'part', kind, globals: asker.handed ?? new Map(), locals: new Map(), factory, asked }
  }

  async #section(kind: Kind, scope: FileScope, section: Section, asker: Asker): Promise<Context> {
    const id = `${kind} ${scope.file.path} [${section.title}]`
    const step = stepTo(id, `[${section.title}]`, asker.place, asker.step)
    try {
      return await this.#read(kind, scope, section, asker, step)
    } finally {
      stepBack(step)
    }
  }

  async #read(kind: Kind, scope: FileScope, section: Section, asker: Asker, step: Step): Promise<Context> {
    this.reached.add(`${scope.file.path} [${section.title}]`)
    const reading = readSection(scope, section, asker.handed)
    const { globals, locals } = reading
    const filterWith = kind === 'server' ? undefined : take(locals, 'filter-with')
    this.#require(take(locals, 'require'), scope)
    const asked: Asked = {
      name: section.name,
      title: step.title,
      id: step.id,
      scope,
      place: placeOf(scope, section, MAKER_WORDS),
      via: asker.place,
    }
    const link: Link = { kind, scope, section, reading, step, asked }
    const context = await this.#body(link)
    context.asked = asked
    if (filterWith === undefined) return context
    context.asked = { ...asked, id: `${asked.id} inside of filter-with` }
    const filter = await this.#follow(link, 'filter', filterWith)
    return { type: 'filtered', kind, globals, asked, filter, inner: context }
  }

  async #body(link: Link): Promise<Context> {
    const { kind, section } = link
    if (section.shape === 'pipeline') return this.#pipeline(link)
    if (section.shape === 'filter-app' || (kind === 'app' && section.shape === 'filter'))
      return this.#filterApp(link)
    return this.#maker(link, kind)
  }

  /** What `use` names, with this section's settings over it; or the factory that the section itself names. */
  async #maker(link: Link, kind: Kind): Promise<Context> {
    const { scope, section, reading } = link
    const use = takeWord(link, 'use')
    if (use === undefined) return this.#explicit(link, kind)
    const context = await this.#follow(link, kind, use)
    const { globals, locals } = reading
    const file = globals.get('__file__')
    const sets: Settings = new Map([
      ...reading.sets,
      ...(file === undefined ? [] : [['__file__', file] as const]),
    ])
    overlay(context, locals, sets, (key, setting) => {
      const reason = `finds no taker: ${use.text} is a pipeline, which has no settings`
      this.#extra(scope, section, key, setting, reason)
    })
    const part = context.type === 'filter-app' ? context.filter : context
    if (part.type === 'part') part.factory.protocol ??= BY_PREFIX[prefixOf(section)]
    return context
  }

  async #explicit({ scope, section, reading, asked }: Link, kind: Kind): Promise<Part> {
    const { globals, locals } = reading
    const [found, another] = EXPLICIT[kind].flatMap((group) => {
      const hit = group.find(([word]) => locals.has(word))
      return hit === undefined ? [] : [hit]
    })
    const place = placeOf(scope, section)
    if (found === undefined) {
      const hidden = scope.globalPlaceOf('use')
      const note = hidden === undefined ? '' : `. The "use" of ${hidden} does not count`
      const word = EXPLICIT[kind][0]![0]![0]
      throw new ConfigError('missing', `expected "use = ..." or "${word} = ..." in it${note}`, place)
    }
    const [word, protocol] = found
    if (another !== undefined) {
      throw new ConfigError('ambiguous', `has both ${word} and ${another[0]}. Keep one`, place)
    }
    const setting = take(locals, word)!
    try {
      const factory = await this.#factories.call(setting.text, scope.directory, protocol, setting.text)
      return { type: 'part', kind, globals, locals, factory, asked }
    } catch (error) {
      throw withPlace(error, setting.place)
    }
  }

  async #filterApp(link: Link): Promise<Context> {
    const next = takeWord(link, 'next') ?? missingWord(link, 'next')
    const context = await this.#follow(link, 'app', next)
    const filter = await this.#maker(link, 'filter')
    filter.asked = { ...link.asked, id: `${link.asked.id} filter` }
    return {
      type: 'filter-app',
      kind: 'app',
      globals: link.reading.globals,
      asked: link.asked,
      filter,
      next: context,
    }
  }

  async #pipeline(link: Link): Promise<Context> {
    const { scope, section, reading } = link
    const setting = takeWord(link, 'pipeline') ?? missingWord(link, 'pipeline')
    for (const [key, extra] of reading.locals) {
      const reason = `is no setting of a pipeline: it has only "pipeline", "filter-with", "require" and "set ..."`
      this.#extra(scope, section, key, extra, reason)
    }
    const names = splitWords(setting.text)
    const last = names.pop()
    if (last === undefined)
      throw new ConfigError('option', 'expected filters and an app, got nothing', setting.place)
    const follow = (kind: Kind, name: string) => this.#follow(link, kind, { ...setting, text: name })
    const app = await follow('app', last)
    const filters: Context[] = []
    for (const name of names) filters.push(await follow('filter', name))
    return { type: 'pipeline', kind: 'app', globals: reading.globals, asked: link.asked, filters, app }
  }

  #follow({ scope, reading, step }: Link, kind: Kind, { text, place }: Setting): Promise<Context> {
    return this.reference(kind, text, {
      scope,
      directory: scope.directory,
      handed: reading.globals,
      place,
      step,
    })
  }

  /** A setting where none is taken. One that [DEFAULT] has as well is let through, as in Paste, but not in silence. */
  #extra(scope: FileScope, section: Section, key: string, setting: Setting, reason: string): void {
    const place = setting.place ?? { file: scope.file.path, section: section.title, key }
    const global = scope.globalPlaceOf(key)
    if (global === undefined) this.#surrounding.issues.report(new ConfigError('option', reason, place))
    else this.#surrounding.issues.warn(warning(`${reason}; what ${global} says counts`, place))
  }

  #require(setting: Setting | undefined, scope: FileScope): void {
    for (const name of splitWords(setting?.text ?? '')) {
      if (this.#factories.has(name, scope.directory)) continue
      const reason = `needs ${JSON.stringify(name)}, and there is no egg and no installed package of that name`
      this.#surrounding.issues.report(new ConfigError('missing', reason, setting?.place))
    }
  }
}

/** A section that is being read. */
interface Link {
  readonly kind: Kind
  readonly scope: FileScope
  readonly section: Section
  readonly reading: Reading
  readonly step: Step
  readonly asked: Asked
}

/** What is no section: a URI, or a name that leads nowhere. */
function askedByName(name: string, id: string, { scope, place }: Asker): Asked {
  return { name, title: name, id, scope, place, via: place }
}

/** The line of the first of these keys that the section has, else of its header. */
function placeOf(
  { file }: FileScope,
  { title, line, entries }: Section,
  words: readonly string[] = [],
): Place {
  const entry = words.map((word) => entries.get(word)).find((found) => found !== undefined)
  return { file: file.path, line: entry?.line ?? line, section: title }
}

function take(settings: Settings, key: string): Setting | undefined {
  const setting = settings.get(key)
  settings.delete(key)
  return setting
}

/** `use`, `next` and `pipeline` say how a section is built. Paste drops them when [DEFAULT] has them too; we say so. */
function takeWord({ scope, section, reading }: Link, word: 'use' | 'next' | 'pipeline'): Setting | undefined {
  const setting = take(reading.locals, word)
  const entry = section.entries.get(word)
  const global = entry === undefined ? undefined : scope.globalPlaceOf(word)
  if (global === undefined) return setting
  const reason = `${global} has a "${word}" too, which hides this one. Take it out of there`
  throw new ConfigError('option', reason, scope.placeOf(section.title, entry!))
}

function missingWord({ scope, section }: Link, word: string): never {
  throw new ConfigError('missing', `expected "${word} = ..." in it`, placeOf(scope, section))
}

/** `use = egg:Paste#urlmap  # the map` asks for an entry called "urlmap  # the map". */
function explainComment(error: unknown, name: string): unknown {
  if (!(error instanceof ConfigError) || error.code !== 'missing' || error.place !== undefined) return error
  if (!/\s[#;]/.test(name)) return error
  const reason = `${error.reason} A comment needs a line of its own: all of ${JSON.stringify(name)} is the value`
  return new ConfigError(error.code, reason, undefined, { cause: error.cause })
}
