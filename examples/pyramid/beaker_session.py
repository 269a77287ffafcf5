"""Beaker's session as Pyramid wants it (ISession), under the keys that pyramid_beaker uses, which Debian does not have."""

import os
from collections.abc import MutableMapping

from pyramid.interfaces import ISession
from zope.interface import implementer


@implementer(ISession)
class BeakerSession(MutableMapping):
    """The factory for Configurator(session_factory=...). Beaker's SessionMiddleware loads and stores."""

    def __init__(self, request):
        self.beaker = request.environ["beaker.session"]

    def __getitem__(self, key):
        return self.beaker[key]

    def __setitem__(self, key, value):
        self.beaker[key] = value
        self.changed()

    def __delitem__(self, key):
        del self.beaker[key]
        self.changed()

    def __iter__(self):
        return iter(self.beaker.keys())

    def __len__(self):
        return len(self.beaker.keys())

    @property
    def created(self):
        return self.beaker.created

    @property
    def new(self):
        return self.beaker.is_new

    def changed(self):
        self.beaker.save()

    def invalidate(self):
        # Beaker's own invalidate() keeps the old row, and with it the old cookie, alive.
        self.beaker.delete()

    def flash(self, msg, queue="", allow_duplicate=True):
        messages = self.get("_f_" + queue, [])
        if allow_duplicate or msg not in messages:
            self["_f_" + queue] = messages + [msg]

    def pop_flash(self, queue=""):
        return self.pop("_f_" + queue, [])

    def peek_flash(self, queue=""):
        return self.get("_f_" + queue, [])

    def new_csrf_token(self):
        self["_csrft_"] = os.urandom(20).hex()
        return self["_csrft_"]

    def get_csrf_token(self):
        return self.get("_csrft_") or self.new_csrf_token()
