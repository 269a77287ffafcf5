"""Real Paste Deploy, for test/interop/make-config.test.ts: prints [kind, section, settings] of every part of a file.

What `use` names is not looked for: sessd's own eggs are no Python packages, and file: is a scheme that Python does not
know. The settings are those that a factory would be called with.
"""
import json
import sys

from paste.deploy import loadwsgi

parts = []


def found(object_type, uri, path, name, relative_to, global_conf=None):
    return loadwsgi.LoaderContext(
        obj=None, object_type=object_type, protocol='stub', global_conf=global_conf or {}, local_conf={}, loader=None)


for scheme in ('egg', 'file'):
    loadwsgi._loaders[scheme] = found

loader = loadwsgi.ConfigLoader(sys.argv[1])
kinds = {'app': loadwsgi.APP, 'composite': loadwsgi.APP, 'filter-app': loadwsgi.APP,
         'filter': loadwsgi.FILTER, 'server': loadwsgi.SERVER}
for section in loader.parser.sections():
    kind, name = section.split(':', 1)
    context = loader.get_context(kinds[kind], name)
    if context.object_type is loadwsgi.FILTER_APP:
        context = context.filter_context
    if context.object_type is loadwsgi.FILTER_WITH:
        context = context.next_context
    parts.append([kind, name, list(context.local_conf.items())])
print(json.dumps(parts))
