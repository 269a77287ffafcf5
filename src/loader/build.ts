// From contexts to objects. Two requests for the same section with the same global conf get one object; what is made is
// written down, so that it can be closed, newest first.

import { belongs, type Composition, servers } from '../config/composition.js'
import type { App, Conf, Filter, Loader, MaybePromise, Server } from '../protocol.js'
import { blame, neverAnswered } from './blame.js'
import { Children } from './children.js'
import { type Context, mainPart, type Part, sameSettings } from './context.js'
import { type Task, Tasks } from './cycle.js'
import type { Issues } from './issues.js'
import { chain, makeApp, makeFilter, makeServer, toApp, type Wrap, waitingApp } from './make.js'
import type { Adapt, Kind, Made, Node } from './model.js'
import { type Depth, depthOf } from './nesting.js'
import { describe, type TreeNode } from './node.js'
import type { Resolver } from './resolve.js'
import { unlessStalled } from './stall.js'

/** What each kind is while it is put together. */
interface Raw {
  app: App
  filter: Wrap
  server: Server
}

/** Something made. Equal ids are the same object. */
interface Built<T> {
  readonly id: string
  readonly value: T
  readonly node: TreeNode
  readonly depth: Depth
}

interface Closeable {
  close(): MaybePromise<void>
}

export class Builder {
  readonly #resolver: Resolver
  readonly #issues: Issues
  readonly #adapt: Adapt | undefined
  /** Parts by what was asked for, one for each global conf. */
  readonly #parts = new Map<string, readonly { part: Part; task: Task; built: Promise<Built<Raw[Kind]>> }[]>()
  readonly #wrapped = new Map<string, { readonly id: string; readonly app: Promise<App> }>()
  readonly #tasks = new Tasks()
  readonly #running = new Set<Promise<unknown>>()
  readonly #closeable = new Set<Closeable>()
  readonly #composition: Composition = { root: undefined }
  #closing: Promise<void> | undefined
  #made = 0

  constructor(resolver: Resolver, issues: Issues, adapt: Adapt | undefined) {
    this.#resolver = resolver
    this.#issues = issues
    this.#adapt = adapt
  }

  /**
   * Makes what a context describes. Throws ConfigError or ConfigErrors; when errors are gathered, gives a stand-in that
   * does nothing. After a throw, `close` is still due.
   */
  async make<K extends Kind>(
    kind: K,
    context: Context,
    role: string,
  ): Promise<{ value: Made[K]; node: Node }> {
    const { value, node } = await this.#build(kind, context, role, undefined)
    this.#composition.root = node
    if (kind === 'server') servers.add(node)
    return { value: this.#finish(kind, value), node }
  }

  /** What was made and has something to close, oldest first. */
  get made(): readonly object[] {
    return [...this.#closeable]
  }

  /** Closes all that was made, newest first, each once. Rejects with what could not be closed, after trying all. */
  close(): Promise<void> {
    this.#closing ??= this.#closeAll()
    return this.#closing
  }

  async #closeAll(): Promise<void> {
    // A composite may ask for several at once: when one fails, the others are still being made.
    while (this.#running.size > 0) await Promise.allSettled(this.#running)
    if (this.#composition.root !== undefined) servers.delete(this.#composition.root)
    const errors: unknown[] = []
    for (const made of [...this.#closeable].reverse()) {
      try {
        await made.close()
      } catch (error) {
        errors.push(error)
      }
    }
    if (errors.length === 1) throw errors[0]
    if (errors.length > 1) throw new AggregateError(errors, errors.map(String).join('\n'))
  }

  #build<K extends Kind>(
    kind: K,
    context: Context,
    role: string,
    waiter: Task | undefined,
  ): Promise<Built<Raw[K]>> {
    return this.#track(this.#attempt(kind, context, role, waiter))
  }

  /** Lets `close` wait for it. */
  #track<T>(work: Promise<T>): Promise<T> {
    this.#running.add(work)
    const forget = () => {
      this.#running.delete(work)
    }
    work.then(forget, forget)
    return work
  }

  async #attempt<K extends Kind>(
    kind: K,
    context: Context,
    role: string,
    waiter: Task | undefined,
  ): Promise<Built<Raw[K]>> {
    // Pipelines of pipelines may be deeper than the stack.
    await undefined
    try {
      if (context.type !== 'broken') return (await this.#create(context, role, waiter)) as Built<Raw[K]>
    } catch (error) {
      this.#issues.report(error)
    }
    const value = STAND_IN[kind] as Raw[K]
    return { id: 'broken', value, node: describe(context, role), depth: depthOf(context, []) }
  }

  async #create(
    context: Exclude<Context, { type: 'broken' }>,
    role: string,
    waiter: Task | undefined,
  ): Promise<Built<Raw[Kind]>> {
    if (context.type === 'part') return this.#part(context, role, waiter)
    this.#tasks.refuseCycle(context.asked, waiter)
    const task = this.#tasks.begin(context.asked, waiter)
    try {
      return await this.#compose(context, role, task)
    } finally {
      this.#tasks.end(task)
    }
  }

  /** Of several: what they are made of first. */
  async #compose(
    context: Exclude<Context, { type: 'broken' | 'part' }>,
    role: string,
    task: Task,
  ): Promise<Built<Raw[Kind]>> {
    switch (context.type) {
      case 'filter-app': {
        const next = await this.#build('app', context.next, 'next', task)
        const filter = await this.#build('filter', context.filter, 'filter', task)
        const depth = depthOf(context, [filter, next])
        const node = describe(context, role, [next.node])
        return { ...(await this.#wrap(context.filter, filter, next)), node, depth }
      }
      case 'pipeline': {
        const app = await this.#build('app', context.app, 'app', task)
        const filters: Built<Wrap>[] = []
        for (const filter of context.filters)
          filters.push(await this.#build('filter', filter, 'filter', task))
        const depth = depthOf(context, [...filters, app])
        const node = describe(context, role, [...filters.map((filter) => filter.node), app.node])
        let outermost: Pick<Built<App>, 'id' | 'value'> = app
        for (const [index, filter] of [...filters.entries()].reverse()) {
          outermost = await this.#wrap(context.filters[index]!, filter, outermost)
        }
        return { ...outermost, node, depth }
      }
      case 'filtered': {
        const filter = await this.#build('filter', context.filter, role, task)
        const inner = await this.#build(context.kind as 'app' | 'filter', context.inner, 'next', task)
        const depth = depthOf(context, [filter, inner])
        const node = filter.node.changed({ children: [...filter.node.children, inner.node] })
        if (context.kind === 'app')
          return { ...(await this.#wrap(context.filter, filter, inner as Built<App>)), node, depth }
        const value: Wrap = (next) => chain((inner.value as Wrap)(next), filter.value)
        return { id: `${filter.id}(${inner.id})`, value, node, depth }
      }
    }
  }

  /** One object for one section (or URI) with one global conf; whoever comes later waits for the same. */
  async #part(part: Part, role: string, waiter: Task | undefined): Promise<Built<Raw[Kind]>> {
    const { asked, globals, locals } = part
    this.#tasks.refuseCycle(asked, waiter)
    const others = this.#parts.get(asked.id) ?? []
    let known = others.find(
      (one) => sameSettings(one.part.globals, globals) && sameSettings(one.part.locals, locals),
    )
    if (known === undefined) {
      const task = this.#tasks.begin(asked, waiter)
      known = { part, task, built: this.#call(part, task) }
      this.#parts.set(asked.id, [...others, known])
    } else {
      this.#tasks.join(known.task, waiter)
    }
    const built = await known.built
    return { ...built, node: built.node.changed({ role }) }
  }

  async #call(part: Part, task: Task): Promise<Built<Raw[Kind]>> {
    const children: Node[] = []
    const inside: { readonly depth: Depth }[] = []
    const node = describe(part, '', children)
    try {
      const work = this.#callFactory(part, this.#loaderOf(part, task, children, inside))
      const value = await unlessStalled(work, () => neverAnswered(part))
      return { id: String(this.#made++), value: this.#own(value), node, depth: depthOf(part, inside) }
    } catch (error) {
      throw blame(error, part)
    } finally {
      this.#tasks.end(task)
    }
  }

  #callFactory(part: Part, loader: Loader): Promise<Raw[Kind]> {
    if (part.kind === 'app') return makeApp(part, this.#adapt, loader)
    return part.kind === 'filter' ? makeFilter(part, this.#adapt) : makeServer(part)
  }

  /** The app inside of the filter. The same filter around the same app is made once. */
  async #wrap(
    context: Context,
    filter: Built<Wrap>,
    next: Pick<Built<App>, 'id' | 'value'>,
  ): Promise<Pick<Built<App>, 'id' | 'value'>> {
    const pair = `${filter.id}(${next.id})`
    let known = this.#wrapped.get(pair)
    if (known === undefined) {
      // A number: in a long chain of filters, names made of names would grow.
      known = { id: String(this.#made++), app: this.#applyFilter(context, filter.value, next.value) }
      this.#wrapped.set(pair, known)
    }
    return { id: known.id, value: await known.app }
  }

  async #applyFilter(context: Context, filter: Wrap, next: App): Promise<App> {
    const part = mainPart(context)
    if (part === undefined) return next
    try {
      const app = await toApp(part, await filter(next), this.#adapt)
      if (app !== next) belongs(app, this.#composition)
      return app.close === next.close ? app : this.#own(app)
    } catch (error) {
      throw blame(error, part)
    }
  }

  /** What leaves the loader: a filter that answers later becomes one whose app waits for it. */
  #finish<K extends Kind>(kind: K, value: Raw[K]): Made[K] {
    if (kind !== 'filter') return value as Made[K]
    const filter: Filter = (next) => {
      const app = (value as Wrap)(next)
      if (app instanceof Promise) return waitingApp(app.then((made) => this.#own(made)))
      if (app !== next) belongs(app, this.#composition)
      return app.close === next.close ? app : this.#own(app)
    }
    return filter as Made[K]
  }

  /** Writes down what has to be closed. */
  #own<T extends object>(made: T): T {
    if ('close' in made && typeof made.close === 'function') this.#closeable.add(made as T & Closeable)
    return made
  }

  /** What a composite asks for its children. They are built at once, and become children of its node. */
  #loaderOf(part: Part, task: Task, children: Node[], inside: { readonly depth: Depth }[]): Loader {
    let named: Children | undefined
    const get = async <K extends Kind>(kind: K, name: string, conf: Conf | undefined): Promise<Made[K]> => {
      if (this.#closing !== undefined)
        throw new Error(`${part.asked.title} was closed, so it can't load ${name}`)
      named ??= new Children(part)
      const { key, setting } = named.claim(name)
      const scope = setting?.scope ?? part.asked.scope
      const place = setting?.place ?? part.asked.place
      const role = key ?? name
      // Keeps the place in the order of asking, and stays when the child can't be made.
      const stub: Node = { kind, shape: kind, name, use: undefined, place, settings: [], role, children: [] }
      const index = children.push(stub) - 1
      const context = await this.#resolver.reference(kind, name, {
        scope,
        directory: scope?.directory,
        handed: conf === undefined ? undefined : named.handDown(conf),
        place,
        step: undefined,
      })
      const built = await this.#build(kind, context, role, task)
      children[index] = built.node
      inside.push(built)
      return this.#finish(kind, built.value)
    }
    return {
      getApp: (name, conf) => this.#track(get('app', name, conf)),
      getFilter: (name, conf) => this.#track(get('filter', name, conf)),
      getServer: (name, conf) => this.#track(get('server', name, conf)),
    }
  }
}

const STAND_IN: Raw = {
  app: () => undefined,
  filter: (next) => next,
  server: () => Promise.reject(new Error('this server could not be made')),
}
