"""An old app with Beaker sessions, as it would stand behind Pylons: settings as JSON in argv[1], the port on stdout."""

import datetime
import json
import sys
from wsgiref.simple_server import WSGIRequestHandler, make_server

import beaker
from beaker.middleware import SessionMiddleware


def app(environ, start_response):
    session = environ["beaker.session"]
    path = environ["PATH_INFO"]
    answer = None
    if path == "/version":
        answer = beaker.__version__
    elif path == "/count":
        session["n"] = session.get("n", 0) + 1
        session.save()
        answer = session["n"]
    elif path == "/n":
        answer = session.get("n")
    elif path == "/set":
        session["python"] = {"float": 1.0, "list": [1, "ä", None], "yes": True}
        session.save()
    elif path == "/all":
        answer = {key: value for key, value in session.items() if not key.startswith("_")}
    elif path == "/object":
        session["since"] = datetime.date(2026, 11, 20)
        session.save()
    elif path == "/since":
        answer = session["since"].isoformat()
    elif path == "/logout":
        session.delete()
    elif path == "/flash":
        session["_f_"] = session.get("_f_", []) + ["from python"]
        session.save()
    elif path == "/pop":
        answer = session.pop("_f_", [])
        session.save()
    body = json.dumps(answer).encode()
    start_response("200 OK", [("Content-Type", "application/json"), ("Content-Length", str(len(body)))])
    return [body]


class Quiet(WSGIRequestHandler):
    def log_message(self, *args):
        pass


server = make_server("127.0.0.1", 0, SessionMiddleware(app, json.loads(sys.argv[1])), handler_class=Quiet)
print(server.server_port, flush=True)
server.serve_forever()
