// The pages that sessd makes itself, for people: plain HTML with its style inside, no script, nothing from elsewhere.

import type { ServerResponse } from 'node:http'

/** HTML that is finished: everything in it was escaped. */
export class Html {
  readonly text: string

  constructor(text: string) {
    this.text = text
  }
}

/** A template tag: what is put in is escaped, unless it is Html itself; lists are joined. */
export function html(
  strings: TemplateStringsArray,
  ...values: (Html | string | number | readonly Html[])[]
): Html {
  let text = strings[0]!
  for (const [index, value] of values.entries()) text += textOf(value) + strings[index + 1]!
  return new Html(text)
}

function textOf(value: Html | string | number | readonly Html[]): string {
  if (value instanceof Html) return value.text
  return Array.isArray(value) ? value.map((each: Html) => each.text).join('') : escapeHtml(String(value))
}

/** Text as HTML shows it, also between double or single quotes. */
export function escapeHtml(text: string): string {
  return text.replace(/[&<>"']/g, (char) => `&#${char.charCodeAt(0)};`)
}

/** Two columns. */
export function table(rows: Iterable<readonly [name: string, value: string]>): Html {
  return html`<table>${Array.from(rows, ([name, value]) => html`<tr><th>${name}<td>${value}`)}</table>`
}

/** Ends `res` with a page. Its policy lets it show its own style and nothing else; it is kept from caches and frames. */
export function sendPage(res: ServerResponse, status: number, title: string, body: Html): void {
  const page = html`<!doctype html>
<html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>${title}</title>
<style>${STYLE}</style>
<body><h1>${title}</h1>
${body}
`
  res.statusCode = status
  res.setHeader('Content-Type', 'text/html; charset=utf-8')
  res.setHeader('Content-Length', Buffer.byteLength(page.text))
  res.setHeader('Cache-Control', 'no-store')
  res.setHeader(
    'Content-Security-Policy',
    "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'",
  )
  res.setHeader('X-Content-Type-Options', 'nosniff')
  res.end(page.text)
}

const STYLE = new Html(`
:root { color-scheme: light dark; --line: #8884; --mark: #d338 }
body { font: 15px/1.5 system-ui, sans-serif; max-width: 70rem; margin: 2rem auto; padding: 0 1rem }
h1 { font-size: 1.4rem; overflow-wrap: anywhere } h2 { font-size: 1.1rem; margin: 2rem 0 .5rem }
table { border-collapse: collapse; width: 100% } th, td { border-top: 1px solid var(--line); padding: .25rem .5rem }
th { text-align: left; vertical-align: top; font-weight: 600; white-space: nowrap; width: 1% }
td, code, pre { font-family: ui-monospace, monospace; font-size: 13px; overflow-wrap: anywhere }
pre { overflow-x: auto; border: 1px solid var(--line); border-radius: 6px; padding: .5rem; margin: .5rem 0 }
@media (max-width: 40rem) { tr, th, td { display: block; width: auto } td { border: 0; padding-top: 0 } th { padding-bottom: 0 } }
mark { background: var(--mark); color: inherit; display: inline-block; min-width: 100% }
`)
