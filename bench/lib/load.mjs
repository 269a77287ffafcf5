// The load: keep-alive connections, each with one request under way and with visitors of its own, so that two requests
// of one session never overlap. Cookies that the server sets are kept, as a browser does: what a cookie session costs is
// seen only if the next request brings the new cookie.

import { Connection, textOf } from './connection.mjs'

/** Somebody with a cookie jar. `requests` counts the answers that came with status 200. */
export function makeVisitor(cookies = new Map()) {
  return { cookies: new Map(cookies), requests: 0, text: undefined, path: undefined }
}

/** A GET request as it goes over the wire. */
export function getText(path, cookies = new Map()) {
  const cookie = [...cookies].map(([name, value]) => `${name}=${value}`).join('; ')
  return `GET ${path} HTTP/1.1\r\nHost: 127.0.0.1\r\nAccept: */*\r\n${cookie && `Cookie: ${cookie}\r\n`}\r\n`
}

function textFor(visitor, path) {
  if (visitor.text === undefined || visitor.path !== path) {
    visitor.path = path
    visitor.text = getText(path, visitor.cookies)
  }
  return visitor.text
}

const SET_COOKIE = /\r\nset-cookie: ([^=]+)=([^;\r]*)([^\r]*)/gi

function keepCookies(visitor, head) {
  for (const [, name, value, attributes] of head.matchAll(SET_COOKIE)) {
    if (value === '' || /max-age=0|1970/i.test(attributes)) visitor.cookies.delete(name)
    else visitor.cookies.set(name, value)
    visitor.text = undefined
  }
}

/**
 * What to ask: `{ text(connection, turn), heard?(connection, turn, head), isRight?(head, body) }`, where an answer that
 * is not right ends the run. These ask one page, as strangers.
 */
export function strangers(path) {
  const text = getText(path)
  return { text: () => text }
}

/** Asks some requests in turn, each connection from a place of its own on. */
export function inTurn(texts) {
  return { text: (connection, turn) => texts[(connection * 31 + turn) % texts.length] }
}

/** Asks one page as visitors, who are divided among the connections. */
export function visits(path, visitors, connections) {
  const groups = Array.from({ length: connections }, (_, i) =>
    visitors.filter((_, at) => at % connections === i),
  )
  const visitorOf = (connection, turn) => groups[connection][turn % groups[connection].length]
  return {
    text: (connection, turn) => textFor(visitorOf(connection, turn), path),
    heard(connection, turn, head) {
      const visitor = visitorOf(connection, turn)
      visitor.requests++
      if (head.includes('et-')) keepCookies(visitor, head)
    },
  }
}

/**
 * Keep-alive connections to one server, opened before the CPU is read and closed after. With `polls` this process never
 * sleeps while it waits for answers: to wake it up is work of the kernel that is charged to the server, the more of it the
 * slower the server is. Not for where somebody else needs this core.
 */
export async function openLoad(port, connections, { polls = false } = {}) {
  const open = await Promise.all(Array.from({ length: connections }, () => Connection.open(port)))

  /** One connection until the time is up; gives what was wrong, or undefined. */
  function work(index, { text, heard, isRight }, end, latencies) {
    return new Promise((resolve) => {
      let turn = 0
      function next() {
        const sent = performance.now()
        if (sent >= end) return resolve(undefined)
        open[index].ask(text(index, turn), (head, body) => {
          if (head === null) return resolve('the connection was closed')
          if (head.slice(9, 12) !== '200') return resolve(`an answer was ${head.slice(9, 12)}`)
          if (isRight?.(head, body) === false) return resolve('an answer was not what it should be')
          latencies.push((performance.now() - sent) * 1000)
          heard?.(index, turn, head)
          turn++
          next()
        })
      }
      next()
    })
  }

  return {
    /** Asks for some milliseconds. Gives the number of answers, their latencies in microseconds, and what went wrong. */
    async run(questions, milliseconds) {
      const latencies = []
      const begin = performance.now()
      let isWaiting = polls
      const poll = () => isWaiting && setImmediate(poll)
      poll()
      const wrong = await Promise.all(open.map((_, i) => work(i, questions, begin + milliseconds, latencies)))
      isWaiting = false
      const seconds = (performance.now() - begin) / 1000
      return { requests: latencies.length, latencies, seconds, wrong: wrong.find((one) => one !== undefined) }
    },
    close() {
      for (const connection of open) connection.close()
    },
  }
}

/** One request of a visitor on a connection of its own: `{ status, body, setsCookie }`. */
export async function ask(port, path, visitor = makeVisitor()) {
  const connection = await Connection.open(port)
  try {
    return await new Promise((resolve, reject) => {
      const timer = setTimeout(() => reject(new Error(`${path} was not answered within 10 seconds`)), 10_000)
      connection.ask(textFor(visitor, path), (head, body) => {
        clearTimeout(timer)
        if (head === null) return reject(new Error(`${path}: the connection was closed`))
        const status = Number(head.slice(9, 12))
        keepCookies(visitor, head)
        if (status === 200) visitor.requests++
        resolve({ status, body: textOf(head, body), setsCookie: /\r\nset-cookie:/i.test(head) })
      })
    })
  } finally {
    connection.close()
  }
}
