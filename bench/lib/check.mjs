// Does a server do what it is timed for? Throws an Error that says what it did instead.

import { ask, makeVisitor } from './load.mjs'

/** Whom the sessions of the bench belong to. */
export const USER = 'maria.example'
const NOBODY = 'nobody'
export const TOGETHER = 20

/** Runs the check; answers what is worth knowing and no reason to leave the server out. */
export async function check({ port, product }) {
  const isOurs = product === 'sessd'

  await expect(port, '/app/plain', makeVisitor(), 'Hello, world!')
  await expect(port, '/app/read', makeVisitor(), NOBODY)

  const [ada, bob] = [makeVisitor(), makeVisitor()]
  for (const who of [ada, bob]) {
    const { setsCookie } = await expect(port, '/app/new', who, 'made')
    if (!setsCookie || who.cookies.size === 0) throw new Error('/app/new sets no cookie')
  }
  await expect(port, '/app/read', ada, USER)
  for (const n of [1, 2, 3]) await expect(port, '/app/count', ada, String(n))
  await expect(port, '/app/count', bob, '1')
  await expect(port, '/app/read', ada, USER)
  await expect(port, '/app/count', ada, '4')

  const plain = await expect(port, '/app/plain', makeVisitor(ada.cookies), 'Hello, world!')
  const forged = makeVisitor([...ada.cookies].map(([name, value]) => [name, altered(value)]))
  const answer = await ask(port, '/app/read', forged)
  if (answer.body === USER) throw new Error('a session came with an altered cookie')

  return {
    forgedStatus: answer.status,
    setsCookieUntouched: plain.setsCookie,
    // Name, `=` and value.
    longestCookie: Math.max(...[...ada.cookies].map(([name, value]) => name.length + 1 + value.length)),
    countedTogether: await countTogether(port, bob, '/app/count'),
    // Ours alone has this page.
    addedTogether: isOurs ? await countTogether(port, bob, '/app/add') : undefined,
  }
}

/** How many of some requests at the same time, which all count one up, are in the session afterwards. */
async function countTogether(port, visitor, path) {
  const before = Number((await ask(port, '/app/count', visitor)).body)
  const jar = visitor.cookies
  await Promise.all(Array.from({ length: TOGETHER }, () => ask(port, path, makeVisitor(jar))))
  return Number((await ask(port, '/app/count', visitor)).body) - before - 1
}

/** Another character in the middle, where every bit counts. */
function altered(value) {
  const at = Math.floor(value.length / 2)
  return value.slice(0, at) + (value[at] === 'A' ? 'B' : 'A') + value.slice(at + 1)
}

async function expect(port, path, visitor, body) {
  const answer = await ask(port, path, visitor)
  if (answer.status !== 200 || answer.body !== body) {
    throw new Error(
      `${path} should answer ${body}, and answers ${answer.status} ${answer.body.slice(0, 100)}`,
    )
  }
  return answer
}

/** As many visitors as wanted, each with a session of its own that the server made. */
export async function makeVisitors(port, count) {
  const visitors = Array.from({ length: count }, () => makeVisitor())
  for (const visitor of visitors) await expect(port, '/app/new', visitor, 'made')
  for (const visitor of visitors) visitor.requests = 0
  return visitors
}

/** Throws unless each visitor's number is the number of its requests to /app/count. */
export async function checkCounts(port, visitors) {
  let wrong = 0
  for (const visitor of visitors) {
    const expected = visitor.requests + 1
    const { body } = await ask(port, '/app/count', visitor)
    if (Number(body) !== expected) wrong++
  }
  if (wrong > 0) throw new Error(`lost updates: ${wrong} of ${visitors.length} sessions counted wrong`)
}
