// The page as HTML. Whatever comes from outside goes through `html`, which escapes it.

const ENTITIES = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;', "'": '&#39;' }

class Markup {
  constructor(text) {
    this.text = text
  }
}

/** A template whose values are escaped, unless they are made by `html` themselves. Arrays are joined. */
function html(strings, ...values) {
  const inserted = values.map((value) => [value].flat().map(escapeHtml).join(''))
  return new Markup(String.raw({ raw: strings }, ...inserted))
}

function escapeHtml(value) {
  return value instanceof Markup ? value.text : String(value).replace(/[&<>"']/g, (sign) => ENTITIES[sign])
}

const style = new Markup(`
  :root { color-scheme: light dark; --ink: #1d2433; --soft: #5d6779; --paper: #fff; --ground: #eef1f6;
    --line: #d9dfe9; --accent: #2f5bd8; --on-accent: #fff; --note: #e6edff }
  @media (prefers-color-scheme: dark) { :root { --ink: #e8ecf4; --soft: #9aa5b8; --paper: #1b2130;
    --ground: #10141d; --line: #313a4d; --accent: #8fabff; --on-accent: #10141d; --note: #232e4c } }
  * { box-sizing: border-box; margin: 0 }
  body { min-height: 100vh; display: flex; align-items: center; justify-content: center; padding: 1.5rem;
    background: var(--ground); color: var(--ink); font: 1rem/1.5 system-ui, sans-serif }
  main { width: 100%; max-width: 27rem; padding: clamp(1.25rem, 6vw, 2.25rem); display: grid; gap: 1.5rem;
    background: var(--paper); border: 1px solid var(--line); border-radius: 1rem;
    box-shadow: 0 1rem 3rem -1.5rem #0005 }
  h1 { font-size: 1.5rem; line-height: 1.2; letter-spacing: -.015em; overflow-wrap: anywhere }
  header { display: flex; align-items: start; justify-content: space-between; gap: 1rem }
  footer, span { color: var(--soft) }
  form { display: flex; gap: .6rem }
  input, button { font: inherit; padding: .6rem 1rem; border-radius: .6rem; border: 1px solid var(--line) }
  input { flex: 1; min-width: 0; background: var(--ground); color: inherit }
  button { border-color: var(--accent); background: var(--accent); color: var(--on-accent); font-weight: 600;
    white-space: nowrap; cursor: pointer }
  .quiet button { padding: .3rem .8rem; background: none; color: var(--soft); border-color: var(--line);
    font-weight: 400 }
  :focus-visible { outline: 3px solid var(--accent); outline-offset: 2px }
  .note { padding: .6rem 1rem; border-radius: .6rem; background: var(--note); color: var(--ink);
    overflow-wrap: anywhere }
  .counter { display: flex; align-items: center; gap: .9rem; padding: 1rem 1.25rem;
    border: 1px solid var(--line); border-radius: .8rem }
  .counter span { flex: 1; font-size: .9rem; line-height: 1.25 }
  output { font-size: 2.5rem; line-height: 1; font-weight: 700; font-variant-numeric: tabular-nums }
  footer { padding-top: 1.25rem; border-top: 1px solid var(--line); font-size: .9rem }
  a { color: var(--accent) }
`)

/** `root` is where the app is mounted, with a slash at its end. */
export function page(root, { user, count, messages, token }) {
  const proof = html`<input type="hidden" name="token" value="${token}">`
  return html`<!doctype html>
<html lang="en">
<head>
  <meta charset="utf-8">
  <meta name="viewport" content="width=device-width">
  <title>One session, three apps</title>
  <style>${style}</style>
</head>
<body>
<main>
  ${user === undefined ? logIn(root, proof) : greeting(root, proof, user)}
  ${messages.map((message) => html`<p class="note" role="status">${message}</p>`)}
  <div class="counter">
    <output id="count">${count}</output>
    <span>counted in this session</span>
    <form method="post" action="${root}count">${proof}<button>Count</button></form>
  </div>
  <footer>
    The same session as JSON: <a href="${root}servicebroker">/servicebroker</a>.
    Another server, behind the same session: <a href="${root}proxy">/proxy</a>.
  </footer>
</main>
</body>
</html>`.text
}

function logIn(root, proof) {
  return html`<h1>One session, three apps</h1>
  <form method="post" action="${root}login">
    ${proof}
    <input name="name" aria-label="Your name" placeholder="Your name" required maxlength="40"
      autocomplete="username">
    <button>Log in</button>
  </form>`
}

function greeting(root, proof, user) {
  return html`<header>
    <h1>Hello, ${user}</h1>
    <form class="quiet" method="post" action="${root}logout">${proof}<button>Log out</button></form>
  </header>`
}
