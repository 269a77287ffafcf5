"""paste.urlmap on waitress. The only argument is `@` and a file with `{"paths": [...]}`."""

import json
import sys

from paste.urlmap import URLMap
from waitress.server import create_server

with open(sys.argv[1][1:]) as file:
    paths = json.load(file)["paths"]


def app(environ, start_response):
    where = environ["QUERY_STRING"] == "where"
    body = environ["SCRIPT_NAME"].encode() if where else b"Hello, world!"
    start_response("200 OK", [("content-type", "text/plain"), ("content-length", str(len(body)))])
    return [body]


top = app
if paths:
    top = URLMap()
    for path in paths:
        top[path] = app

server = create_server(top, host="127.0.0.1", port=0)
print(f"http://127.0.0.1:{server.effective_port}", flush=True)
server.run()
