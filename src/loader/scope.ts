// One file as somebody asked for it, and the names that its texts may use. What the asker hands down counts as the
// file's [DEFAULT] where the file says nothing; the command line counts everywhere.

import { dirname } from 'node:path'
import type { Place } from '../config/errors.js'
import { type SecretFlow, secretFlow } from '../config/secret-flow.js'
import { isSecretKey } from '../config/secrets.js'
import { offerFrom } from '../config/suggest.js'
import type { FedSecrets } from './fed-secrets.js'
import { type Cell, interpolator, type Scope } from './interpolate.js'
import type { Issues } from './issues.js'
import type { ConfigFile, Entry, Section } from './model.js'
import { isWord, type Setting, type Settings } from './settings.js'

/** What is the same for a whole load. */
export interface Surrounding {
  readonly env: NodeJS.ProcessEnv
  /** `name=value` of the command line: beats everything, everywhere. */
  readonly overrides: Settings
  readonly issues: Issues
  /** Kept by the loader for all of its loads. */
  readonly secrets: FedSecrets
}

/** See above. */
export class FileScope {
  readonly file: ConfigFile
  readonly directory: string
  readonly surrounding: Surrounding
  /** What the asker handed down, with `here` and `__file__` of this file. */
  readonly #given: Settings
  readonly #flow: SecretFlow<Entry>
  readonly #defaultCells: ReadonlyMap<string, Cell>
  #defaults: Settings | undefined
  /** The keys of [DEFAULT], and of what was handed down, that begin with `set` or `get`: they work in every section. */
  readonly globalWords: readonly string[]

  constructor(file: ConfigFile, handed: Settings | undefined, surrounding: Surrounding) {
    this.file = file
    this.directory = dirname(file.path)
    this.surrounding = surrounding
    const own = (text: string): Setting => ({ text, secret: false, from: 'default' })
    this.#given = new Map([
      ...(handed ?? []),
      ['here', own(this.directory)] as const,
      ['__file__', own(file.path)] as const,
      ...surrounding.overrides,
    ])
    this.#flow = flowOf(file)
    for (const name of this.#flow.names) surrounding.secrets.feed(name, this.#given.get(name))
    this.#defaultCells = this.#cells('DEFAULT', file.defaults)
    this.globalWords = [...new Set([...file.defaults.keys(), ...this.#given.keys()])].filter(isWord)
  }

  /** All of [DEFAULT] and what was handed down, worked out. */
  get defaults(): Settings {
    this.#defaults ??= this.#readDefaults()
    return this.#defaults
  }

  /** Where [DEFAULT], the command line or the asker has a key; undefined: nowhere. */
  globalPlaceOf(key: string): string | undefined {
    const entry = this.file.defaults.get(key)
    if (entry !== undefined) return `[DEFAULT] (line ${entry.line})`
    const given = this.#given.get(key)
    if (given === undefined) return undefined
    if (given.from === 'command line') return 'the command line'
    return given.place === undefined ? 'what was handed down' : `${given.place.file}:${given.place.line}`
  }

  placeOf(section: string, entry: Entry): Place {
    return { file: this.file.path, line: entry.line, section, key: entry.key }
  }

  /** Works out the value of a key as one section sees it (undefined: as [DEFAULT] sees itself). */
  evaluator(section: Section | undefined): (key: string) => Setting | undefined {
    const { overrides, env } = this.surrounding
    const own = this.#cells(section?.title ?? 'DEFAULT', section?.entries)
    const defaults = this.#defaultCells
    const scope: Scope = {
      env,
      directory: this.directory,
      offer: (name) =>
        offerFrom(this.file, name, () => new Set([...own.keys(), ...defaults.keys(), ...this.#given.keys()])),
      lookup: (name, from) => {
        const cells = [own.get(name), defaults.get(name)]
        // Inside of its own text a name means what it would mean without that text: `path = %(path)s/more`.
        return (
          this.#known(name, overrides.get(name)) ??
          cells.find((cell) => cell !== undefined && cell !== from) ??
          this.#known(name, this.#given.get(name)) ??
          cells.find((cell) => cell === from)
        )
      },
    }
    const work = interpolator(scope)
    return (key) => {
      const cell = own.get(key) ?? defaults.get(key)
      if (cell === undefined) return this.#given.get(key)
      const value = this.surrounding.issues.attempt(() => work(cell))
      if (value === undefined) return undefined
      const place = this.placeOf(cell.section, cell.entry)
      const from = cell.section === 'DEFAULT' ? 'default' : 'section'
      // Not a spread, of which V8 makes a hidden class for each of ten thousand mounts.
      return { text: value.text, secret: value.secret, from, place, scope: this }
    }
  }

  /** What needs no working out, secret if this file puts it into a secret. */
  #known(name: string, setting: Setting | undefined): Setting | undefined {
    if (setting === undefined || setting.secret || !this.#flow.names.has(name)) return setting
    return { ...setting, secret: true }
  }

  #cells(section: string, entries: ReadonlyMap<string, Entry> = new Map()): Map<string, Cell> {
    const file = this.file.path
    const isSecret = (entry: Entry) => isSecretKey(entry.key) || this.#flow.feeding.has(entry)
    return new Map(
      [...entries].map(([key, entry]) => [key, { entry, file, section, secret: isSecret(entry) }] as const),
    )
  }

  #readDefaults(): Settings {
    const evaluate = this.evaluator(undefined)
    const defaults: Settings = new Map(this.#given)
    for (const key of this.file.defaults.keys()) {
      const setting = this.surrounding.overrides.get(key) ?? evaluate(key)
      if (setting !== undefined) defaults.set(key, setting)
    }
    return defaults
  }
}

const flows = new WeakMap<ConfigFile, SecretFlow<Entry>>()

/** Read once from each file: many sections may be asked for. */
function flowOf(file: ConfigFile): SecretFlow<Entry> {
  let flow = flows.get(file)
  if (flow === undefined) {
    const written = (section: string, entries: ReadonlyMap<string, Entry>) =>
      [...entries.values()].map((entry) => ({ section, key: entry.key, value: entry.value, id: entry }))
    const sections = [...file.sections.values()].flatMap(({ title, entries }) => written(title, entries))
    flow = secretFlow([...written('DEFAULT', file.defaults), ...sections])
    flows.set(file, flow)
  }
  return flow
}
