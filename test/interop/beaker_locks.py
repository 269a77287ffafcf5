"""A real Beaker that works on one session when told: settings as JSON in argv[1], the id in argv[2].
One command per line on stdin, one answer per line on stdout."""

import json
import sys

from beaker.container import FileNamespaceManager
from beaker.session import Session

settings = json.loads(sys.argv[1])
session_id = sys.argv[2]
namespace = FileNamespaceManager(session_id, digest_filenames=False, **settings)


def load():
    return Session({}, id=session_id, use_cookies=False, type="file", **settings)


def count(times):
    """What apps do: load, change, save."""
    for _ in range(times):
        session = load()
        session["python"] = session.get("python", 0) + 1
        session.save()


def count_locked(times):
    """One change after the other, each under Beaker's lock from reading to writing."""
    for _ in range(times):
        namespace.acquire_write_lock()
        try:
            session = namespace["session"]
            session["python"] = session.get("python", 0) + 1
            namespace["session"] = session
        finally:
            namespace.release_write_lock()


held = None
for line in sys.stdin:
    command, *rest = line.split()
    answer = None
    if command == "lock":
        held = load()
        held.lock()
    elif command == "unlock":
        held.unlock()
    elif command == "save":
        held["python"] = held.get("python", 0) + 1
        held.save()
    elif command == "try":
        answer = namespace.access_lock.acquire_write_lock(wait=False)
        if answer:
            namespace.access_lock.release_write_lock()
    elif command == "try-read":
        answer = namespace.access_lock.acquire_read_lock(wait=False)
        if answer:
            namespace.access_lock.release_read_lock()
    elif command == "count":
        count(int(rest[0]))
    elif command == "count-locked":
        count_locked(int(rest[0]))
    elif command == "get":
        session = load()
        answer = {key: value for key, value in session.items() if not key.startswith("_")}
    print(json.dumps(answer), flush=True)
