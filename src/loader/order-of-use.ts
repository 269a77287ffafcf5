// Which of some sections to look at first: those that no other one names, because they lead to the rest. A section that
// is looked at again for each one that leads to it makes a file of n sections cost n times n.

import type { Section } from './model.js'
import { splitWords } from './whitespace.js'

/**
 * The sections in an order in which users come before what they use, as far as their texts tell; else in file order.
 * Values are read as they are written: a name that only interpolation would make is not seen.
 */
export function usersFirst(sections: readonly Section[]): Section[] {
  const named = new Set(sections.flatMap(namesIn))
  const isNamed = ({ name }: Section) => named.has(name)
  return [...sections.filter((section) => !isNamed(section)), ...sections.filter(isNamed)]
}

/** Every word of its values, and of `config:x.ini#name` the name; its own name does not count. */
function namesIn({ name, entries }: Section): string[] {
  const words = [...entries.values()].flatMap(({ value }) => splitWords(value))
  return words.map((word) => word.slice(word.lastIndexOf('#') + 1)).filter((word) => word !== name)
}
