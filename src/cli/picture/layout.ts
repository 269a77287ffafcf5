// Where everything stands, in pixels. Texts are monospaced, so their width is known without a browser.

import type { Branch, Card, Stack } from './compose.js'
import { clip, widthOf } from './text.js'

/** A card in its place. */
export interface Box {
  readonly card: Card
  readonly x: number
  readonly y: number
  readonly width: number
  readonly height: number
  readonly title: string
  readonly place: string
  readonly use: string
  /** Where `use` begins, when it stands on the line of the title. */
  readonly useX: number | undefined
}

export interface Label {
  readonly full: string
  readonly text: string
  readonly x: number
  /** The middle. */
  readonly y: number
  readonly width: number
}

export interface Drawing {
  readonly width: number
  readonly height: number
  readonly boxes: readonly Box[]
  readonly labels: readonly Label[]
  /** The `d` of one path each. */
  readonly lines: readonly string[]
}

/** Of one character, in pixels: of titles and labels, of the smaller rest. */
const CELL = 7.85
const SMALL = 6.95
const PAD = 14
const TALL = 48
const FLAT = 28
const DOWN = 18
const BETWEEN = 12
const LABEL_LINE = 20
/** From a composite to where its lines part, and from a label to what it leads to. */
const REACH = 22
const MARGIN = 24
/** More mounts than this are a list, with a line for each. */
const MANY = 8

const LONGEST = { title: 44, use: 52, place: 34, label: 34 }

/** Widths of the columns of a list. */
interface Columns {
  readonly title: number
  readonly use: number
}

/** Lays a stack out, and all that it leads to. */
export function layOut(stack: Stack, top = MARGIN): Drawing {
  const boxes: Box[] = []
  const labels: Label[] = []
  const lines: string[] = []
  const measure = measurer()

  const put = (stack: Stack, x: number, y: number, width: number, columns: Columns | undefined): number => {
    let below = y
    let last: Box | undefined
    for (const card of stack.cards) {
      if (last !== undefined) {
        const middle = x + 26
        lines.push(`M${middle} ${bottomOf(last)}v${DOWN - 1}m-4 -5l4 5l4 -5`)
        below += DOWN
      }
      last = boxOf(card, x, below, width, columns)
      boxes.push(last)
      below = bottomOf(last)
    }
    return stack.branches.length === 0 ? below : Math.max(below, fan(stack, last!, y))
  }

  const fan = (stack: Stack, from: Box, top: number): number => {
    const { branches } = stack
    const trunk = from.x + from.width + REACH
    const labelX = trunk + 16
    const texts = branches.map((branch) => branch.labels.map((label) => clip(label, LONGEST.label)))
    const widest = largest(texts.flat(), widthOf)
    const x = round(labelX + widest * CELL + REACH)
    const columns = isList(stack) ? columnsOf(branches) : undefined
    const width = largest(branches, ({ stack }) => stackWidth(stack, columns))
    const startY = from.y + Math.min(from.height, TALL) / 2
    let d = `M${from.x + from.width} ${startY}H${trunk}`
    let y = top + fanOffset(stack, measure)
    let [firstY, lastY] = [startY, startY]
    for (const [index, { labels: full, stack }] of branches.entries()) {
      const first = heightOf(stack.cards[0]!, columns !== undefined)
      const lead = leadOf(full.length, first)
      const end = put(stack, x, y + lead, width, columns)
      const middle = y + lead + first / 2
      for (const [row, text] of texts[index]!.entries()) {
        const at = middle + (row - (full.length - 1) / 2) * LABEL_LINE
        labels.push({ full: full[row]!, text, x: labelX, y: round(at), width: round(widthOf(text) * CELL) })
        d += `M${trunk} ${round(at)}H${x - 8}`
        if (at !== middle) d += `L${x - 8} ${round(middle)}`
        firstY = Math.min(firstY, at)
        lastY = Math.max(lastY, at)
      }
      d += `M${x - 8} ${round(middle)}H${x - 1}m-5 -4l5 4l-5 4`
      y = Math.max(end, y + full.length * LABEL_LINE) + betweenIn(columns !== undefined)
    }
    lines.push(`${d}M${trunk} ${round(firstY)}V${round(lastY)}`)
    return y
  }

  put(stack, MARGIN, top, stackWidth(stack, undefined), undefined)
  const right = largest(boxes, (box) => box.x + box.width)
  const bottom = largest(boxes, bottomOf)
  return { width: right + MARGIN, height: bottom + MARGIN, boxes, labels, lines }
}

function bottomOf({ y, height }: Box): number {
  return y + height
}

function heightOf({ use, isReference }: Card, inList: boolean): number {
  return inList || use === '' || isReference ? FLAT : TALL
}

function isList({ branches }: Stack): boolean {
  return branches.length > MANY
}

function betweenIn(list: boolean): number {
  return list ? 5 : BETWEEN
}

/** How far below its labels' top a card begins: it stands in their middle. */
function leadOf(labels: number, card: number): number {
  return Math.max(0, (labels * LABEL_LINE - card) / 2)
}

/** How high a stack is, with all that it leads to. */
type Measure = (stack: Stack, inList: boolean) => number

function measurer(): Measure {
  const known = new Map<Stack, number>()
  const measure: Measure = (stack, inList) => {
    const height =
      known.get(stack) ??
      Math.max(
        ownHeight(stack, inList),
        stack.branches.length === 0 ? 0 : fanOffset(stack, measure) + fanHeight(stack, measure),
      )
    known.set(stack, height)
    return height
  }
  return measure
}

function ownHeight({ cards }: Stack, inList: boolean): number {
  return cards.reduce((sum, card) => sum + heightOf(card, inList), (cards.length - 1) * DOWN)
}

function fanHeight(stack: Stack, measure: Measure): number {
  const list = isList(stack)
  return stack.branches.reduce((sum, { labels, stack: branch }) => {
    const lead = leadOf(labels.length, heightOf(branch.cards[0]!, list))
    return sum + Math.max(lead + measure(branch, list), labels.length * LABEL_LINE) + betweenIn(list)
  }, 0)
}

/** Beside the composite, in its middle; but nothing stands higher than the stack. */
function fanOffset(stack: Stack, measure: Measure): number {
  return Math.max(0, round(ownHeight(stack, false) - TALL / 2 - fanHeight(stack, measure) / 2))
}

function textsOf({ title, use, place, isReference }: Card) {
  return {
    title: clip(isReference ? `↪ ${title}` : title, LONGEST.title),
    use: isReference ? '' : clip(use, LONGEST.use),
    place: clip(isReference ? 'drawn above' : place, LONGEST.place),
  }
}

function boxOf(card: Card, x: number, y: number, width: number, columns: Columns | undefined): Box {
  const useX = columns === undefined ? undefined : round(x + PAD + columns.title)
  return { card, x, y, width, height: heightOf(card, columns !== undefined), ...textsOf(card), useX }
}

function columnsOf(branches: readonly Branch[]): Columns {
  const texts = branches.flatMap(({ stack }) => stack.cards.map(textsOf))
  return {
    title: largest(texts, ({ title }) => widthOf(title)) * CELL + 24,
    use: largest(texts, ({ use }) => widthOf(use)) * SMALL + 24,
  }
}

function stackWidth({ cards }: Stack, columns: Columns | undefined): number {
  const width = largest(cards, (card) => {
    const { title, use, place } = textsOf(card)
    const placeWidth = widthOf(place) * SMALL
    if (columns !== undefined) return columns.title + columns.use + placeWidth
    return Math.max(widthOf(title) * CELL + 28 + placeWidth, widthOf(use) * SMALL)
  })
  return round(Math.max(180, width + 2 * PAD))
}

/** Not by Math.max(...), which takes only so many arguments. */
function largest<T>(list: readonly T[], measure: (one: T) => number): number {
  return list.reduce((most, one) => Math.max(most, measure(one)), 0)
}

function round(number: number): number {
  return Math.round(number * 2) / 2
}
