// The option table of egg:Paste#http and egg:waitress#main. What a section of them means is in settings.ts.

import {
  boolean,
  bytes,
  type Converter,
  duration,
  either,
  integer,
  oneOf,
  text,
} from '../../config/converters.js'
import { option } from '../../config/options.js'
import { trustedHeaders } from '../../http/forwarded.js'
import { trustedProxies } from '../../http/trusted-proxies.js'
import { addresses, port, tcpAddress } from './address.js'

const anything: Converter<string> = {
  expected: 'anything',
  parse: (text) => text,
  accepts: (value): value is string => typeof value === 'string',
}

const ignored = (reason: string) =>
  option({ type: anything, default: undefined, doc: 'Taken and ignored.', ignored: reason })

/** Permissions in octal: 600, 0660. */
const permissions: Converter<number> = {
  expected: 'permissions in octal as in 600 or 0660',
  parse: (text) => (/^0?[0-7]{3}$/.test(text.trim()) ? Number.parseInt(text.trim(), 8) : undefined),
  accepts: (value): value is number => typeof value === 'number' && value >= 0 && value <= 0o777,
  show: (value) => value.toString(8),
}

const NO_THREADS = 'one thread serves all requests, none waits for another'
const NODES_OWN = "Node's own default is used"

export const options = {
  host: option({
    type: tcpAddress,
    default: undefined,
    doc: 'The address to listen on, perhaps with the port; *: all. Without it, or blank: 127.0.0.1.',
  }),
  port: option({
    type: port,
    default: undefined,
    doc: 'The port to listen on; 0: any free one. Default: 8080, with TLS 4443.',
  }),
  listen: option({
    type: addresses,
    default: undefined,
    doc: 'In place of host and port: one or more addresses with spaces between, `unix:/path` among them.',
  }),
  unix_socket: option({
    type: text,
    default: undefined,
    doc: 'The path of a unix socket to listen on, in place of host and port.',
  }),
  unix_socket_perms: option({
    type: permissions,
    default: 0o600,
    doc: 'Who may use unix sockets: permissions in octal; 600 is the owner alone.',
  }),
  backlog: option({
    type: integer(1, 65_535),
    default: 511,
    aliases: ['request_queue_size'],
    doc: "How many connections may wait to be taken; the system's own limit holds too. Also: request_queue_size.",
  }),
  tls_cert: option({
    type: text,
    default: undefined,
    doc: 'A PEM file with the certificate and those of its issuers. With it the server speaks TLS.',
  }),
  tls_key: option({
    type: text,
    default: undefined,
    doc: "A PEM file with the certificate's key. Default: tls_cert, which then holds both.",
  }),
  ssl_pem: option({
    type: text,
    default: undefined,
    doc: "Paste's way to say it: one PEM file with certificate and key.",
  }),
  http2: option({
    type: boolean,
    default: false,
    doc: 'Speaks HTTP/2 with clients that offer it in the TLS handshake, and HTTP/1.1 with all others. Needs tls_cert.',
  }),
  workers: option({
    type: either(integer(1, 1024), oneOf('auto')),
    default: 1,
    doc: 'How many processes serve; auto: one for each processor. More than 1 needs sessions that they can share.',
  }),
  graceful_timeout: option({
    type: duration(0),
    default: 30,
    unit: 'seconds',
    doc: 'How long running requests may go on when the server is closed.',
  }),
  drain_delay: option({
    type: duration(0),
    default: 0,
    unit: 'seconds',
    doc: 'How long new requests are still taken after SIGTERM, so that a load balancer sees that `healthz` is not ready.',
  }),
  pid_file: option({
    type: text,
    default: undefined,
    doc: 'A file for the id of the process to send signals to; removed in the end.',
  }),
  trusted_proxies: option({
    type: trustedProxies,
    default: undefined,
    aliases: ['trusted_proxy'],
    doc: 'Whose word about the client is believed, as trusted_headers give it. Default: nobody. Also: trusted_proxy.',
  }),
  trusted_hops: option({
    type: integer(1, 100),
    default: undefined,
    aliases: ['trusted_proxy_count'],
    doc: 'How many trusted proxies stand in front, at most. Default: any number. Also: trusted_proxy_count.',
  }),
  trusted_headers: option({
    type: trustedHeaders,
    default: 'x-forwarded-for x-forwarded-proto x-forwarded-host',
    aliases: ['trusted_proxy_headers'],
    doc: 'What the proxies write, all of them: headers by name, x-forwarded, or forwarded. Also: trusted_proxy_headers.',
  }),
  request_timeout: option({
    type: duration(0),
    default: 300,
    unit: 'seconds',
    aliases: ['requestTimeout'],
    doc: 'How long a client may take to send a request; 0: for ever. Also: requestTimeout.',
  }),
  headers_timeout: option({
    type: duration(0),
    default: 60,
    unit: 'seconds',
    aliases: ['headersTimeout'],
    doc: 'How long a client may take to send the head of a request; request_timeout where that is less. Also: headersTimeout.',
  }),
  keep_alive_timeout: option({
    type: duration(0),
    default: 5,
    unit: 'seconds',
    aliases: ['keepAliveTimeout'],
    doc: 'How long a connection may idle between two requests. Also: keepAliveTimeout.',
  }),
  max_header_size: option({
    type: bytes(1024),
    default: 16_384,
    unit: 'bytes',
    aliases: ['maxHeaderSize', 'max_request_header_size'],
    doc: 'How large the head of a request may be; larger is a 431. Also: maxHeaderSize, max_request_header_size.',
  }),
  max_headers_count: option({
    type: integer(0),
    default: 2000,
    aliases: ['maxHeadersCount'],
    doc: 'How many headers of a request are read, the rest is dropped; 0: all. Also: maxHeadersCount.',
  }),
  max_requests_per_socket: option({
    type: integer(0),
    default: 0,
    aliases: ['maxRequestsPerSocket'],
    doc: 'How many requests one connection may make; 0: any number. Also: maxRequestsPerSocket.',
  }),
  max_connections: option({
    type: integer(0),
    default: 0,
    aliases: ['maxConnections', 'connection_limit'],
    doc: 'How many connections each process takes at a time; 0: any number. Also: maxConnections, connection_limit.',
  }),
  max_concurrent_streams: option({
    type: integer(1, 2 ** 31 - 1),
    default: 128,
    aliases: ['maxConcurrentStreams'],
    doc: 'How many requests one HTTP/2 connection may have running at a time. Also: maxConcurrentStreams.',
  }),
  no_delay: option({
    type: boolean,
    default: true,
    aliases: ['noDelay'],
    doc: 'Sends small packets at once (TCP_NODELAY). Also: noDelay.',
  }),
  threads: ignored(NO_THREADS),
  daemon_threads: ignored(NO_THREADS),
  use_threadpool: ignored(NO_THREADS),
  threadpool_workers: ignored(NO_THREADS),
  threadpool_max_requests: ignored(NO_THREADS),
  threadpool_hung_thread_limit: ignored(NO_THREADS),
  threadpool_kill_thread_limit: ignored(NO_THREADS),
  threadpool_dying_limit: ignored(NO_THREADS),
  threadpool_spawn_if_under: ignored(NO_THREADS),
  threadpool_max_zombie_threads_before_die: ignored(NO_THREADS),
  threadpool_hung_check_period: ignored(NO_THREADS),
  threadpool_logger: ignored(NO_THREADS),
  threadpool_error_email: ignored(NO_THREADS),
  server_version: ignored('no Server header is sent'),
  ident: ignored('no Server header is sent'),
  protocol_version: ignored('the client says what it speaks'),
  socket_timeout: ignored(NODES_OWN),
  channel_timeout: ignored(NODES_OWN),
  cleanup_interval: ignored(NODES_OWN),
  recv_bytes: ignored(NODES_OWN),
  send_bytes: ignored(NODES_OWN),
  asyncore_loop_timeout: ignored(NODES_OWN),
  asyncore_use_poll: ignored(NODES_OWN),
  channel_request_lookahead: ignored(NODES_OWN),
  inbuf_overflow: ignored(NODES_OWN),
  outbuf_overflow: ignored(NODES_OWN),
  outbuf_high_watermark: ignored(NODES_OWN),
  socket_options: ignored(NODES_OWN),
  ipv4: ignored('an address says by itself which it is'),
  ipv6: ignored('an address says by itself which it is'),
  server_name: ignored('requests say which host they mean'),
  url_scheme: ignored(
    'say whom to believe in trusted_proxies, or scheme = https in a filter egg:PasteDeploy#prefix',
  ),
  url_prefix: ignored('a filter egg:PasteDeploy#prefix does that'),
  clear_untrusted_proxy_headers: ignored('what nobody trusted said is not read'),
  log_untrusted_proxy_headers: ignored('what nobody trusted said is not read'),
  max_request_body_size: ignored('apps limit what they read; a proxy in front limits what comes'),
  log_socket_errors: ignored('a client that goes away is no error'),
  expose_tracebacks: ignored('a stack is never sent to a client'),
} as const
