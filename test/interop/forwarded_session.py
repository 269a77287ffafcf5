"""A server without Beaker, which knows visitors by the header of forward_session. argv[1]: the code of the documentation."""

import json
import sys
from wsgiref.simple_server import WSGIRequestHandler, make_server

exec(sys.argv[1])


def app(environ, start_response):
    body = json.dumps(session_of(environ)).encode()
    start_response("200 OK", [("Content-Type", "application/json"), ("Content-Length", str(len(body)))])
    return [body]


class Quiet(WSGIRequestHandler):
    def log_message(self, *args):
        pass


server = make_server("127.0.0.1", 0, app, handler_class=Quiet)
print(server.server_port, flush=True)
server.serve_forever()
