"""The old app: Pyramid with Beaker sessions. It was there first and knows nothing of the server in front of it.

Only main() is not what `pserve` would do: the settings come as a line of JSON on stdin, the port is told on stdout, and
when stdin is closed it is over.
"""

import json
import os
import signal
import sys
import threading
import time
from html import escape
from pathlib import Path

try:
    from beaker.middleware import SessionMiddleware
    from pyramid.config import Configurator
    from pyramid.httpexceptions import HTTPSeeOther
    from pyramid.response import Response
    from pyramid.view import view_config
    from waitress.server import create_server

    from beaker_session import BeakerSession
except ModuleNotFoundError as error:
    packages = "python3-pyramid python3-beaker python3-waitress"
    sys.exit(f"the Python package {error.name} is missing: apt-get install {packages}")

STYLE = Path(__file__).with_name("page.css").read_text()


def wsgi_app(settings):
    config = Configurator(settings=settings, session_factory=BeakerSession)
    config.set_default_csrf_options(require_csrf=True)
    for name, path in ("home", "/"), ("login", "/login"), ("logout", "/logout"), ("count", "/count"), ("session", "/session"):
        config.add_route(name, path)
    config.scan(__name__)
    return SessionMiddleware(config.make_wsgi_app(), settings)


@view_config(route_name="home", request_method="GET")
def home(request):
    session = request.session
    token = f'<input type="hidden" name="csrf_token" value="{escape(session.get_csrf_token())}">'
    notes = "".join(f'<p class="note" role="status">{escape(note)}</p>' for note in session.pop_flash())
    user = session.get("user")
    if user is None:
        greeting = f"""<h1>The old app</h1>
<form method="post" action="/login">{token}
  <input name="name" placeholder="Your name" aria-label="Your name" required maxlength="40" autocomplete="username">
  <button>Log in</button>
</form>"""
    else:
        name = session.get("nickname", user)
        greeting = f"""<header><h1>Hello, {escape(name)}</h1>
<form class="quiet" method="post" action="/logout">{token}<button>Log out</button></form></header>"""
    return Response(
        f"""<!doctype html>
<html lang="en">
<head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>The old app</title><style>{STYLE}</style></head>
<body><main>
{greeting}
{notes}
<div class="counter"><output id="count">{session.get("count", 0)}</output><span>counted by Pyramid</span>
<form method="post" action="/count">{token}<button>Count</button></form></div>
<footer>This is Pyramid, in Python. The <a href="/account">account</a> has moved to Node.</footer>
</main></body>
</html>
"""
    )


@view_config(route_name="login", request_method="POST")
def login(request):
    session = request.session
    user = request.POST.get("name", "").strip()[:40]
    if user:
        session.beaker.regenerate_id()
        session.new_csrf_token()
        session["user"] = user
        session.flash(f"Welcome, {user}.")
    else:
        session.flash("Please give a name.")
    return HTTPSeeOther("/")


@view_config(route_name="logout", request_method="POST")
def logout(request):
    request.session.invalidate()
    return HTTPSeeOther("/")


@view_config(route_name="count", request_method="POST")
def count(request):
    count = request.session.get("count", 0)
    time.sleep(float(request.registry.settings.get("thinking_time", 0)))
    request.session["count"] = count + 1
    return HTTPSeeOther("/")


@view_config(route_name="session", request_method="GET", renderer="json")
def session(request):
    return {key: request.session.get(key) for key in ("user", "nickname", "count")}


def main():
    # Ctrl-C is for the whole terminal, but the server in front still has requests to finish.
    for name in (signal.SIGINT, signal.SIGTERM):
        signal.signal(name, signal.SIG_IGN)
    app = wsgi_app(json.loads(sys.stdin.readline()))
    server = create_server(
        app,
        host="127.0.0.1",
        port=0,
        threads=8,
        trusted_proxy="127.0.0.1",
        trusted_proxy_headers={"x-forwarded-for", "x-forwarded-host", "x-forwarded-proto"},
        clear_untrusted_proxy_headers=True,
    )
    print(server.effective_port, flush=True)
    threading.Thread(target=end_with_stdin, daemon=True).start()
    server.run()


def end_with_stdin():
    sys.stdin.read()
    os._exit(0)


if __name__ == "__main__":
    main()
