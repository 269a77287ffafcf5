// The picture on a page, with the settings of each part beside it. A card leads to its settings by a link, and back, so the
// page needs no script; its policy allows its own style and nothing else.

import { createHash } from 'node:crypto'
import type { Node } from '../../loader.js'
import { settingsOf } from '../tree.js'
import { type Card, compose, placeName } from './compose.js'
import { layOut } from './layout.js'
import { PARTS_STYLE, type PictureOptions, palette, svgOf } from './svg.js'
import { escapeMarkup, visible } from './text.js'

/** An HTML file of its own. */
export function drawPage(roots: readonly Node[], { title, fileName }: PictureOptions): string {
  const drawing = layOut(compose(roots, fileName))
  const cards = drawing.boxes.map(({ card }) => card).filter(({ isReference }) => !isReference)
  const picture = svgOf(drawing, title, { linkOf: ({ number }) => `#settings-${number}` })
  const name = escapeMarkup(visible(title))
  const policy = `default-src 'none'; style-src 'sha256-${createHash('sha256').update(STYLE).digest('base64')}'`
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="${policy}">
<meta name="viewport" content="width=device-width">
<meta name="generator" content="sessd show">
<title>${name}</title>
<style>${STYLE}</style>
</head>
<body>
<header><h1>${name}</h1>
<p>A request goes down through the cards of a column, and from a composite to the right.</p>
<ul>${LEGEND.map(([tone, word]) => `<li class="${tone}">${word}</li>`).join('')}</ul></header>
<main tabindex="0" aria-label="Picture">
${picture}
</main>
<aside tabindex="0" aria-label="Settings">
${cards.map((card) => article(card, fileName)).join('\n')}
</aside>
</body>
</html>
`
}

const LEGEND = [
  ['server', 'server'],
  ['filter', 'filter'],
  ['composite', 'composite, pipeline'],
  ['app', 'app'],
]

function article(card: Card, fileName: (path: string) => string): string {
  const { number, tone, node, parent } = card
  const settings = settingsOf(node, parent)
  const rows = settings.map(({ key, value, from, place, secret }) => {
    const where = placeName(place, fileName)
    const origin = from === 'section' ? where : `${where} (${from})`.trimStart()
    return (
      `<tr><th scope="row">${escapeMarkup(visible(key))}<td${secret ? ' class="masked"' : ''}>` +
      `<code>${lines(value)}</code><td>${escapeMarkup(origin)}`
    )
  })
  const facts = [card.use, card.place]
    .filter((text) => text !== '')
    .map((text) => `<span>${escapeMarkup(text)}</span>`)
  return `<article id="settings-${number}" class="${tone}"><h2><a href="#part-${number}">${escapeMarkup(card.title)}</a></h2>
<p>${facts.join(' ')}</p>
${rows.length === 0 ? '<p class="none">no settings</p>' : `<table>${rows.join('\n')}</table>`}</article>`
}

/** A value that goes over several lines keeps them. */
function lines(value: string): string {
  return value
    .split('\n')
    .map((line) => escapeMarkup(visible(line)))
    .join('\n')
}

const STYLE = `${palette(':root')}*{box-sizing:border-box}
body{margin:0;height:100vh;display:grid;grid:auto 1fr/1fr minmax(18rem,27rem);background:var(--page);color:var(--ink);font:15px/1.5 system-ui,sans-serif}
header{grid-column:1/-1;display:flex;flex-wrap:wrap;gap:.25rem 1.5rem;align-items:baseline;padding:.75rem 1.5rem;border-bottom:1px solid var(--line)}
h1{font-size:1.15rem;margin:0;overflow-wrap:anywhere}
header p,ul{margin:0;color:var(--soft);font-size:.85rem}
ul{display:flex;flex-wrap:wrap;gap:0 1rem;list-style:none;padding:0}
li::before{content:'';display:inline-block;width:.6em;height:.6em;border-radius:2px;margin-right:.4em;background:var(--tone)}
main,aside{overflow:auto;min-height:0}
aside{border-left:1px solid var(--line);padding:0 1.25rem 1.25rem}
article{padding:.6rem .75rem;margin:1rem 0 0;border-left:4px solid var(--tone);border-radius:4px;scroll-margin-top:1rem}
article:target{background:var(--fill);outline:1px solid var(--tone)}
${['server', 'filter', 'composite', 'app', 'broken'].map((tone) => `.${tone}{--tone:var(--${tone});--fill:var(--${tone}-fill)}`).join('\n')}
h2{font:600 14px ui-monospace,Menlo,Consolas,monospace;margin:0;overflow-wrap:anywhere}
h2 a{color:inherit;text-decoration:none} h2 a:hover{text-decoration:underline}
article p{margin:0;color:var(--soft);font-size:.8rem;overflow-wrap:anywhere} article span{margin-right:1em}
.none{font-style:italic}
table{border-collapse:collapse;width:100%;margin-top:.4rem;font-size:12.5px;table-layout:auto}
th,td{text-align:left;vertical-align:top;padding:.2rem .5rem .2rem 0;border-top:1px solid color-mix(in srgb,var(--line) 40%,transparent)}
th{font-weight:500} td{overflow-wrap:anywhere} td:last-child{color:var(--soft);text-align:right;padding-right:0;overflow-wrap:normal}
code{font:12px ui-monospace,Menlo,Consolas,monospace;white-space:pre-wrap} .masked{color:var(--soft)}
a:focus-visible,main:focus-visible,aside:focus-visible{outline:2px solid var(--composite);outline-offset:-2px}
@media (max-width:60rem){body{display:block;height:auto}aside{border:0;border-top:1px solid var(--line)}main{max-height:none}}
@media print{body{display:block}main,aside{overflow:visible}}
${PARTS_STYLE}`
