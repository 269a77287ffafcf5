// Sections that need themselves. Two ways lead there: names that a file writes (`use`, `next`, `pipeline`, `filter-with`)
// are found while they are followed; what composites ask for shows only while it is made.

import { ConfigError, formatPlace, type Place } from '../config/errors.js'
import type { Asked } from './context.js'

/** A section on the way from name to name. */
export interface Step {
  readonly id: string
  readonly title: string
  /** The line that asks for it. */
  readonly via: Place | undefined
  readonly from: Step | undefined
  /** The ids of all steps from the first to the one where the way is now; shared by them. */
  readonly way: Set<string>
}

/** One step further, to be ended by `stepBack`. Throws ConfigError when the way has been here before. */
export function stepTo(id: string, title: string, via: Place | undefined, from: Step | undefined): Step {
  const way = from?.way ?? new Set()
  const step = { id, title, via, from, way }
  if (!way.has(id)) {
    way.add(id)
    return step
  }
  const round: Step[] = [step]
  for (let before = from; before !== undefined; before = before.from) {
    round.push(before)
    if (before.id === id) break
  }
  throw cycle(round.reverse())
}

/** Where the way goes on, it goes on from the step before. */
export function stepBack({ id, way }: Step): void {
  way.delete(id)
}

/** Something that is being made, and who waits for it. */
export interface Task {
  readonly asked: Asked
  readonly waiters: Set<Task>
  /** What it holds open: itself, and everything that it waits for. */
  open: number
}

/** All that is being made. What is over and waits for nothing more is in no cycle, so most need not be searched for. */
export class Tasks {
  readonly #open = new Map<string, number>()

  /** A new one, which `waiter` waits for. To be ended. */
  begin(asked: Asked, waiter: Task | undefined): Task {
    const task = { asked, waiters: new Set(waiter === undefined ? [] : [waiter]), open: 0 }
    this.#hold(task)
    return task
  }

  /** One more that waits for it. */
  join(task: Task, waiter: Task | undefined): void {
    if (waiter === undefined || task.waiters.has(waiter)) return
    task.waiters.add(waiter)
    if (task.open > 0) this.#hold(waiter)
  }

  end(task: Task): void {
    if (--task.open > 0) return
    const { id } = task.asked
    const others = this.#open.get(id)! - 1
    if (others === 0) this.#open.delete(id)
    else this.#open.set(id, others)
    for (const waiter of task.waiters) this.end(waiter)
  }

  /** One that is over already may ask for more: then it is open again. */
  #hold(task: Task): void {
    if (task.open++ > 0) return
    const { id } = task.asked
    this.#open.set(id, (this.#open.get(id) ?? 0) + 1)
    for (const waiter of task.waiters) this.#hold(waiter)
  }

  /** Throws ConfigError when what is asked for now waits for `waiter` itself, at whatever distance. */
  refuseCycle(asked: Asked, waiter: Task | undefined): void {
    // A waiter that was over is open again only when the next task has begun.
    if (waiter === undefined || (waiter.open > 0 && !this.#open.has(asked.id))) return
    const towards = new Map<Task, Task | undefined>([[waiter, undefined]])
    for (const [ancestor] of towards) {
      if (ancestor.asked.id === asked.id) {
        const round: Asked[] = []
        for (let task: Task | undefined = ancestor; task !== undefined; task = towards.get(task))
          round.push(task.asked)
        round.push(asked)
        throw cycle(round.filter((one, index) => index === 0 || !isSameRequest(one, round[index - 1]!)))
      }
      for (const further of ancestor.waiters) if (!towards.has(further)) towards.set(further, ancestor)
    }
  }
}

/** A filter-app and its filter, an app and its filter-with: two things to make for one request. */
export function isSameRequest(one: Asked, other: Asked): boolean {
  return one.title === other.title && one.via === other.via
}

function cycle(round: readonly Asking[]): ConfigError {
  const reason = `${round[0]!.title} needs itself: ${wayText(round)}`
  return new ConfigError('cycle', reason, round.at(-1)!.via)
}

type Asking = Pick<Asked, 'title' | 'via'>

/** `[app:a] -> [app:b] (file:2) -> [app:a] (file:4)`: each but the first with the line that asks for it. */
export function wayText([first, ...rest]: readonly Asking[]): string {
  const steps = rest.map(({ title, via }) => (via === undefined ? title : `${title} (${lineOf(via)})`))
  return [first!.title, ...steps].join(' -> ')
}

function lineOf({ file, line }: Place): string {
  return formatPlace({ file, line }).replace(/: $/, '')
}
