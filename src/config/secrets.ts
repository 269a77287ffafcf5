// Which settings are secret, and how text that may hold one is printed.

const SECRET_KEY =
  /(?:secrets?|passw(?:or)?d|pwd|passphrase|tokens?|credentials?|apikey|(?:encrypt|validate|private|secret|signing|access|api|master)[._-]?key|(?:^|[._-])(?:pass|pw))$/i

/** Stands for a value that is never printed. */
export const MASK = '***'

/** Whether a setting (or a variable) of this name holds a secret: `beaker.session.secret`, `DB_PASSWORD`. */
export function isSecretKey(key: string): boolean {
  return SECRET_KEY.test(key)
}

/** `postgres://user:password@host` */
const IN_URL = /(:\/\/[^\s:/@]{0,256}:)[^\s/@]{1,1024}(?=@)/g
/** `host=db password=x`, `Server=db;Pwd=x`, `https://host/?token=x` */
const IN_PAIRS =
  /((?:^|[\s?&;,:])(?:passw(?:or)?d|pwd|secret|(?:[a-z]{1,20}[_-])?token|(?:api|access|secret|private)[_-]?key)=)[^\s&;,]+/gi

/** The value as it may be shown: masked when secret; else only what is secret inside of a URL or a connection string. */
export function maskValue(value: string, secret: boolean): string {
  return secret ? MASK : value.replace(IN_URL, `$1${MASK}`).replace(IN_PAIRS, `$1${MASK}`)
}

/** Takes secrets out of somebody's message. Those of less than four characters stay: they'd be found in any word. */
export function scrub(message: string, secrets: Iterable<string>): string {
  let text = message
  for (const secret of [...secrets].sort((a, b) => b.length - a.length)) {
    if (secret.length >= 4) text = text.replaceAll(secret, MASK)
  }
  return text
}
