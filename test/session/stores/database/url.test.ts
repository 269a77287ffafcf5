import { expect, test } from 'vitest'
import { parseDatabaseUrl, readArguments } from '../../../../src/session/stores/database/url.js'

const noArgs = new Map()

test.each([
  ['sqlite://', null],
  ['sqlite:///', null],
  ['sqlite:///:memory:', null],
  ['sqlite:///data/sessions.db', 'data/sessions.db'],
  ['sqlite:////var/lib/sessions.db', '/var/lib/sessions.db'],
  ['sqlite+pysqlite:////var/lib/100%25 %41.db', '/var/lib/100%25 %41.db'],
  ['sqlite:///C:\\path\\sessions.db', 'C:\\path\\sessions.db'],
  ['  SQLite:///spaced.db \n', 'spaced.db'],
])('%s is a file, or memory', (url, path) => {
  expect(parseDatabaseUrl(url)).toEqual({ dialect: 'sqlite', path, args: noArgs })
})

const server = {
  host: undefined,
  port: undefined,
  user: undefined,
  password: undefined,
  database: undefined,
  args: noArgs,
}

test.each([
  [
    'postgresql://scott:tiger@localhost:5433/my_db',
    {
      dialect: 'postgresql',
      host: 'localhost',
      port: 5433,
      user: 'scott',
      password: 'tiger',
      database: 'my_db',
    },
  ],
  ['postgres+psycopg2://db.example.com/x', { dialect: 'postgresql', host: 'db.example.com', database: 'x' }],
  [
    'mysql+pymysql://us%40er:p%40ss%2Fw%3Ard+%25@[::1]:3307/x%2Fy',
    {
      dialect: 'mysql',
      host: '::1',
      port: 3307,
      user: 'us@er',
      password: 'p@ss/w:rd+%',
      database: 'x%2Fy',
    },
  ],
  [
    'mariadb://u:a:b/c?d#e@h/x',
    { dialect: 'mysql', user: 'u', password: 'a:b/c?d#e', host: 'h', database: 'x' },
  ],
  ['mysql://u:100%@h/x', { dialect: 'mysql', user: 'u', password: '100%', host: 'h', database: 'x' }],
  ['postgresql://u:@h', { dialect: 'postgresql', user: 'u', password: '', host: 'h' }],
  ['postgresql://', { dialect: 'postgresql' }],
  [
    'postgresql://u:p@/x?host=%2Fvar%2Frun&application_name=a+b%26c',
    {
      dialect: 'postgresql',
      user: 'u',
      password: 'p',
      database: 'x',
      args: new Map([
        ['host', '/var/run'],
        ['application_name', 'a b&c'],
      ]),
    },
  ],
])('%s means to us what it means to SQLAlchemy', (url, expected) => {
  expect(parseDatabaseUrl(url)).toEqual({ ...server, ...expected })
})

test('arguments are read by name, and Python has some to itself', () => {
  const target = parseDatabaseUrl('mysql://h/x?ssl_ca=ca.pem&charset=utf8mb4')
  expect(readArguments(target, ['ssl_ca', 'ssl_key'], ['charset'])).toEqual({
    ssl_ca: 'ca.pem',
    ssl_key: undefined,
  })
})
