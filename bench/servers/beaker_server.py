"""Real Beaker on waitress: the same four pages. Its only argument is the bench's settings, as JSON."""

import itertools
import json
import sys

from beaker.middleware import SessionMiddleware
from waitress.server import create_server

settings = json.loads(sys.argv[1])
data = settings["data"]
text_of_data = json.dumps(data)
numbers = itertools.count()


def app(environ, start_response):
    path = environ["PATH_INFO"]
    if path == "/app/plain":
        text = "Hello, world!"
    elif path == "/app/read":
        text = environ["beaker.session"].get("user", "nobody")
    elif path == "/app/count":
        session = environ["beaker.session"]
        session["n"] = session.get("n", 0) + 1
        session.save()
        text = str(session["n"])
    elif path == "/app/new":
        session = environ["beaker.session"]
        session.update(data)
        session.save()
        text = "made"
    elif path == "/app/unique":
        session = environ["beaker.session"]
        session.update(json.loads(text_of_data), fill="%08d" % next(numbers) + data["fill"][8:])
        session.save()
        text = "made"
    else:
        start_response("404 Not Found", [("content-type", "text/plain")])
        return [b"no such page"]
    body = text.encode()
    start_response("200 OK", [("content-type", "text/plain"), ("content-length", str(len(body)))])
    return [body]


options = {
    "session.key": "sid",
    "session.secret": "the bench needs no secret of its own, but 32 characters",
    "session.data_serializer": "json",
}
store, location = settings["store"], settings.get("location")
if store == "memory":
    options["session.type"] = "memory"
elif store == "file":
    options.update({"session.type": "file", "session.data_dir": location})
elif store == "redis":
    options.update({"session.type": "ext:redis", "session.url": location})
else:
    options.update({"session.type": "cookie", "session.validate_key": "a key of the bench, which is no secret"})
    if store == "cookie-encrypted":
        options["session.encrypt_key"] = "another key of the bench, no secret either"

server = create_server(SessionMiddleware(app, options), host="127.0.0.1", port=0)
print(f"http://127.0.0.1:{server.effective_port}", flush=True)
server.run()
