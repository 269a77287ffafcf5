// The picture as SVG: no script, nothing from elsewhere, every text a text. Colours follow the reader's light or dark.

import type { Node } from '../../loader.js'
import { type Card, compose } from './compose.js'
import { type Box, type Drawing, type Label, layOut } from './layout.js'
import { escapeMarkup, visible } from './text.js'

export interface PictureOptions {
  /** What is drawn: the name of the file. */
  readonly title: string
  /** How a file is called. */
  fileName(path: string): string
}

/** A file of its own. */
export function drawSvg(roots: readonly Node[], { title, fileName }: PictureOptions): string {
  const heading = 34
  const drawing = layOut(compose(roots, fileName), 24 + heading)
  const caption = `<text class="caption" x="24" y="36">${escapeMarkup(visible(title))}</text>`
  return `<?xml version="1.0" encoding="UTF-8"?>\n${svgOf(drawing, title, { style: SVG_STYLE, caption })}\n`
}

/** The element. `linkOf` says where a card leads to; `style` and `caption` are put in as they are. */
export function svgOf(
  drawing: Drawing,
  title: string,
  { style, caption = '', linkOf }: { style?: string; caption?: string; linkOf?: (card: Card) => string } = {},
): string {
  const width = Math.max(Math.ceil(drawing.width), 60 + Array.from(title).length * 9)
  const height = Math.ceil(drawing.height)
  const parts = drawing.boxes.length - drawing.boxes.filter(({ card }) => card.isReference).length
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" viewBox="0 0 ${width} ${height}" ` +
      'role="graphics-document document" aria-labelledby="picture-title picture-desc">',
    `<title id="picture-title">${escapeMarkup(visible(title))}</title>`,
    `<desc id="picture-desc">${parts} ${parts === 1 ? 'part' : 'parts'}. A request goes down through the cards ` +
      'of a column, and from a composite to the right, to the card at one of its names.</desc>',
    ...(style === undefined
      ? []
      : [`<style>${style}</style>`, '<rect class="page" width="100%" height="100%"/>']),
    caption,
    ...drawing.lines.map((d) => `<path class="line" d="${d}"/>`),
    ...drawing.labels.map(drawLabel),
    ...drawing.boxes.map((box) => drawBox(box, linkOf)),
    '</svg>',
  ]
    .filter((line) => line !== '')
    .join('\n')
}

/** On a patch of the page, because it stands on its line. */
function drawLabel({ full, text, x, y, width }: Label): string {
  const title = full === text ? '' : `<title>${escapeMarkup(full)}</title>`
  return (
    `<rect class="page" x="${x - 4}" y="${y - 8}" width="${width + 8}" height="16"/>` +
    `<text class="label" x="${x}" y="${y + 4.5}">${title}${escapeMarkup(text)}</text>`
  )
}

function drawBox(box: Box, linkOf: ((card: Card) => string) | undefined): string {
  const { card, x, y, width, height, title, place, use, useX } = box
  const baseline = y + (useX === undefined && use !== '' ? 20 : 18.5)
  const full = [card.title, card.use, card.place].filter((text) => text !== '').join('\n')
  const name = card.isReference ? '' : ` id="part-${card.number}"`
  const link = card.isReference ? `#part-${card.number}` : linkOf?.(card)
  const texts = [
    `<text class="name" x="${x + 14}" y="${baseline}">${escapeMarkup(title)}</text>`,
    place === ''
      ? ''
      : `<text class="small end" x="${x + width - 12}" y="${baseline}">${escapeMarkup(place)}</text>`,
    use === ''
      ? ''
      : `<text class="small use" x="${useX ?? x + 14}" y="${useX === undefined ? y + 38 : baseline}">${escapeMarkup(use)}</text>`,
  ]
  const inside =
    `<title>${escapeMarkup(full)}</title>` +
    `<rect class="card" x="${x}" y="${y}" width="${width}" height="${height}" rx="6"/>` +
    (card.isReference ? '' : `<path class="edge" d="M${x + 2} ${y + 6}v${height - 12}"/>`) +
    texts.join('')
  const classes = card.isReference ? 'part reference' : `part ${card.tone}`
  const group = `<g class="${classes}"${name}>${inside}</g>`
  return link === undefined ? group : `<a href="${link}">${group}</a>`
}

const LIGHT =
  '--page:#fff;--ink:#1c2330;--soft:#566173;--line:#8c98a9;' +
  '--server:#6d46c4;--server-fill:#f4f0fc;--filter:#a86a0b;--filter-fill:#fdf5e4;--composite:#2767b0;' +
  '--composite-fill:#ebf3fc;--app:#26804f;--app-fill:#ebf7f0;--broken:#c22c2c;--broken-fill:#fdeeee'

const DARK =
  '--page:#12161d;--ink:#e7ecf3;--soft:#a0acbd;--line:#66738a;' +
  '--server:#ab8ff0;--server-fill:#221c35;--filter:#e0ae52;--filter-fill:#2b2313;--composite:#6fb0f5;' +
  '--composite-fill:#152538;--app:#62c693;--app-fill:#13291e;--broken:#f28080;--broken-fill:#351a1c'

const MONO = "ui-monospace,'SF Mono',Menlo,Consolas,'DejaVu Sans Mono','Liberation Mono',monospace"

/** The variables, on the element that `root` selects. */
export function palette(root: string): string {
  return `${root}{color-scheme:light dark;${LIGHT}}\n@media (prefers-color-scheme:dark){${root}{${DARK}}}\n`
}

/** How the parts of the picture look; needs the variables. */
export const PARTS_STYLE = `svg text{font:13px ${MONO};fill:var(--ink);white-space:pre}
svg .name,svg .label{font-weight:600}
svg .small{font-size:11.5px;fill:var(--soft)}
svg .end{text-anchor:end}
svg .line{fill:none;stroke:var(--line);stroke-width:1.25}
svg .page{fill:var(--page)}
svg .card{stroke-width:1;stroke:var(--tone);stroke-opacity:.45;fill:var(--fill)}
svg .edge{stroke:var(--tone);stroke-width:4;stroke-linecap:round}
${['server', 'filter', 'composite', 'app', 'broken'].map((tone) => `svg .${tone}{--tone:var(--${tone});--fill:var(--${tone}-fill)}`).join('\n')}
svg .broken .card,svg .reference .card{stroke-dasharray:4 3}
svg .broken .use{fill:var(--broken)}
svg .reference{--tone:var(--line);--fill:none}
svg .part:target .card,svg a:hover .card{stroke-opacity:1;stroke-width:2}
svg .part:target .card{stroke-width:2.5}
`

const SVG_STYLE = `${palette('svg')}svg .caption{font:600 17px system-ui,sans-serif}
${PARTS_STYLE}`
