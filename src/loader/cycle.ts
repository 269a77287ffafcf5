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
}

/** One step further. Throws ConfigError when the way has been here before. */
export function stepTo(id: string, title: string, via: Place | undefined, from: Step | undefined): Step {
  const step = { id, title, via, from }
  const round: Step[] = [step]
  for (let before = from; before !== undefined; before = before.from) {
    round.push(before)
    if (before.id === id) throw cycle(round.reverse())
  }
  return step
}

/** Something that is being made, and who waits for it. */
export interface Task {
  readonly asked: Asked
  readonly waiters: Set<Task>
}

/** Throws ConfigError when what is asked for now waits for `waiter` itself, at whatever distance. */
export function refuseCycle(asked: Asked, waiter: Task | undefined): void {
  if (waiter === undefined) return
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

/** A filter-app and its filter, an app and its filter-with: two things to make for one request. */
function isSameRequest(one: Asked, other: Asked): boolean {
  return one.title === other.title && one.via === other.via
}

/** `[app:a] needs itself: [app:a] -> [app:b] (file:2) -> [app:a] (file:4)`: each with the line that asks for it. */
function cycle(round: readonly { readonly title: string; readonly via: Place | undefined }[]): ConfigError {
  const [first, ...rest] = round
  const steps = rest.map(({ title, via }) => (via === undefined ? title : `${title} (${lineOf(via)})`))
  const reason = `${first!.title} needs itself: ${[first!.title, ...steps].join(' -> ')}`
  return new ConfigError('cycle', reason, rest.at(-1)?.via)
}

function lineOf({ file, line }: Place): string {
  return formatPlace({ file, line }).replace(/: $/, '')
}
