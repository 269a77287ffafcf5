// What a file would become, as `diff -u` prints it. For files of a screen or two: time and memory grow with the product
// of the two lengths, so texts that are too long for that are one block, old lines first.

/** Above this many cells no table is made. */
const LARGEST_TABLE = 4_000_000
const CONTEXT = 3

/** A line with its mark: `' '` in both, `-` only before, `+` only after. */
type Edit = readonly [mark: ' ' | '-' | '+', line: string]

/** The lines of a unified diff, headers included; none when the texts are the same. */
export function unifiedDiff(name: string, before: string, after: string): string[] {
  const edits = compare(linesOf(before), linesOf(after))
  const changed = edits.flatMap(([mark], index) => (mark === ' ' ? [] : [index]))
  if (changed.length === 0) return []
  const diff = [`--- ${name}`, `+++ ${name}`]
  let [oldLine, newLine, at] = [1, 1, 0]
  while (changed.length > 0) {
    const first = Math.max(at, changed[0]! - CONTEXT)
    let last = changed.shift()!
    while (changed.length > 0 && changed[0]! - last <= 2 * CONTEXT) last = changed.shift()!
    const end = Math.min(edits.length, last + 1 + CONTEXT)
    oldLine += first - at
    newLine += first - at
    const hunk = edits.slice(first, end)
    const oldCount = hunk.filter(([mark]) => mark !== '+').length
    const newCount = hunk.filter(([mark]) => mark !== '-').length
    diff.push(`@@ -${range(oldLine, oldCount)} +${range(newLine, newCount)} @@`)
    diff.push(...hunk.map(([mark, line]) => mark + line))
    oldLine += oldCount
    newLine += newCount
    at = end
  }
  return diff
}

/** `start,count` as diff writes it: an empty range stands after the line that it names. */
function range(start: number, count: number): string {
  if (count === 1) return String(start)
  return `${count === 0 ? start - 1 : start},${count}`
}

function linesOf(text: string): string[] {
  const lines = text.split('\n')
  if (lines.at(-1) === '') lines.pop()
  else lines.push('\\ No newline at end of file')
  return lines
}

/** Longest common subsequence of what is left between the common beginning and the common end. */
function compare(before: readonly string[], after: readonly string[]): Edit[] {
  let head = 0
  while (head < before.length && head < after.length && before[head] === after[head]) head++
  let tail = 0
  while (
    tail < before.length - head &&
    tail < after.length - head &&
    before[before.length - 1 - tail] === after[after.length - 1 - tail]
  ) {
    tail++
  }
  const same = (line: string): Edit => [' ', line]
  return [
    ...before.slice(0, head).map(same),
    ...compareMiddle(before.slice(head, before.length - tail), after.slice(head, after.length - tail)),
    ...before.slice(before.length - tail).map(same),
  ]
}

function compareMiddle(before: readonly string[], after: readonly string[]): Edit[] {
  const width = after.length + 1
  if ((before.length + 1) * width > LARGEST_TABLE) {
    return [...before.map((line): Edit => ['-', line]), ...after.map((line): Edit => ['+', line])]
  }
  // common[i * width + j]: how many lines before[i..] and after[j..] have in common, in order.
  const common = new Uint32Array((before.length + 1) * width)
  for (let i = before.length - 1; i >= 0; i--) {
    for (let j = after.length - 1; j >= 0; j--) {
      common[i * width + j] =
        before[i] === after[j]
          ? common[(i + 1) * width + j + 1]! + 1
          : Math.max(common[(i + 1) * width + j]!, common[i * width + j + 1]!)
    }
  }
  const edits: Edit[] = []
  let [i, j] = [0, 0]
  while (i < before.length || j < after.length) {
    if (i < before.length && j < after.length && before[i] === after[j]) {
      edits.push([' ', before[i]!])
      i++
      j++
    } else if (
      j === after.length ||
      (i < before.length && common[(i + 1) * width + j]! >= common[i * width + j + 1]!)
    ) {
      edits.push(['-', before[i++]!])
    } else {
      edits.push(['+', after[j++]!])
    }
  }
  return edits
}
