// Text for pictures: what of it may be shown, how wide that is, and how it is written into XML and HTML. What stands in an
// INI file is data: nothing in it may end an element, and nothing may move what stands beside it.

/** Control characters, halves of pairs and what turns the writing direction: shown by their numbers. */
const UNSEEN = /[\p{Cc}\p{Cs}\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u2069\ufeff\ufffe\uffff]/gu

/** The text with everything that can't be seen written as `\u{a}`. */
export function visible(text: string): string {
  return text.replace(UNSEEN, (char) => `\\u{${char.codePointAt(0)!.toString(16)}}`)
}

/** Text as XML and HTML show it, also between double or single quotes. */
export function escapeMarkup(text: string): string {
  return text.replace(/[&<>"']/g, (char) => `&#${char.charCodeAt(0)};`)
}

const WIDE =
  /[\u1100-\u115f\u2e80-\ua4cf\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff00-\uff60\uffe0-\uffe6]|\p{Extended_Pictographic}/u

function cellsOf(char: string): number {
  return /\p{Mn}/u.test(char) ? 0 : WIDE.test(char) ? 2 : 1
}

/** How many cells of a monospaced font a text takes. */
export function widthOf(text: string): number {
  if (/^[\x20-\x7e]*$/.test(text)) return text.length
  let width = 0
  for (const char of text) width += cellsOf(char)
  return width
}

/** The text in at most `cells`; of a longer one begin and end, since names often differ in either. */
export function clip(text: string, cells: number): string {
  if (widthOf(text) <= cells) return text
  const chars = Array.from(text)
  const head = takeCells(chars, Math.ceil((cells - 1) / 2))
  const tail = takeCells(chars.reverse(), Math.floor((cells - 1) / 2))
  return `${head.join('')}…${tail.reverse().join('')}`
}

function takeCells(chars: readonly string[], cells: number): string[] {
  let left = cells
  const taken: string[] = []
  for (const char of chars) {
    left -= cellsOf(char)
    if (left < 0) break
    taken.push(char)
  }
  return taken
}
