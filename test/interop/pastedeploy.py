"""Real Paste Deploy, for test/interop/pastedeploy.test.ts. Reads one JSON list of tasks on stdin, answers one on stdout.

A task is {"parse": text}, or {"directory": ..., "call": ..., "uri": ..., "name": ..., "global_conf": ...}.
The eggs are stand-ins that say how they were called, as test/fixtures/paste-stubs does for us.
"""
import io
import json
import os
import re
import sys
import types

from paste.deploy import loadwsgi

sys.setrecursionlimit(400)


class Made:
    def __init__(self, **tree):
        self.tree = tree


def pairs(conf):
    return [[key, value] for key, value in conf.items()]


def app(factory):
    return lambda global_conf, **local: Made(
        kind='app', factory=factory, **{'global': pairs(global_conf), 'local': pairs(local)})


def named(function, source):
    """A factory whose parameters have Paste's own names, so that settings of those names clash."""
    scope = {'inner': function}
    exec(source, scope)
    return scope['factory']


def app_factory(factory):
    return named(app(factory), 'def factory(global_conf, **local): return inner(global_conf, **local)')


def composite(factory, children_of):
    def inner(loader, global_conf, local):
        return Made(kind='composite', factory=factory, **{'global': pairs(global_conf), 'local': pairs(local)},
                    **children_of(loader, global_conf, local))
    return named(inner, 'def factory(loader, global_conf, **local): return inner(loader, global_conf, local)')


def filter_tree(factory, next_app, global_conf, local):
    return Made(kind='filter', factory=factory, app=next_app.tree,
                **{'global': pairs(global_conf), 'local': pairs(local)})


def filter_factory(factory, **defaults):
    def inner(global_conf, local):
        local = {**local, **{key: value for key, value in defaults.items() if key not in local}}
        return lambda next_app: filter_tree(factory, next_app, global_conf, local)
    return named(inner, 'def factory(global_conf, **local): return inner(global_conf, local)')


def filter_app_factory(factory):
    def inner(next_app, global_conf, local):
        return filter_tree(factory, next_app, global_conf, local)
    return named(inner, 'def factory(app, global_conf, **local): return inner(app, global_conf, local)')


def server_tree(factory, next_app, global_conf, local):
    return Made(kind='server', factory=factory, app=next_app.tree,
                **{'global': pairs(global_conf), 'local': pairs(local)})


def server_runner(factory):
    def inner(next_app, global_conf, local):
        return server_tree(factory, next_app, global_conf, local)
    return named(inner, 'def factory(app, global_conf, **local): return inner(app, global_conf, local)')


def server_factory(factory):
    def inner(global_conf, local):
        return lambda next_app: server_tree(factory, next_app, global_conf, local)
    return named(inner, 'def factory(global_conf, **local): return inner(global_conf, local)')


MARKER = Made(kind='marker')


def all_children(loader, global_conf, local):
    return {'children': [[key, loader.get_app(name, global_conf).tree] for key, name in local.items()]}


def remote_addr(loader, global_conf, local):
    return {'children': [[local['addr.' + key[4:]], loader.get_app(name, global_conf).tree]
                         for key, name in local.items() if key.startswith('app.')]}


def probe(loader, global_conf, local):
    got = []
    for key, value in local.items():
        kind, name = key.split('.')[0], value or None
        if kind == 'app':
            got.append([key, loader.get_app(name, global_conf).tree])
        elif kind == 'appnoglobal':
            got.append([key, loader.get_app(name).tree])
        elif kind == 'filter':
            got.append([key, loader.get_filter(name, global_conf)(MARKER).tree])
        elif kind == 'server':
            got.append([key, loader.get_server(name, global_conf)(MARKER).tree])
    return {'got': got}


def urlmap(loader, global_conf, local):
    mounts = {}
    for expression, name in local.items():
        domain = port = path = None
        words = expression.split()
        while words:
            word = words.pop(0)
            if word == 'domain':
                domain = words.pop(0)
            elif word == 'port':
                port = words.pop(0)
            elif path is not None:
                raise ValueError(f'more than one path given (have {path!r}, got {word!r})')
            else:
                path = word
        path = path or ''
        if path and not path.startswith('/'):
            raise AssertionError(f'URL fragments must start with / or http:// (you gave {path!r})')
        path = re.sub(r'//+', '/', path).rstrip('/')
        mounts[f'{domain}:{port}' if port else domain, path] = loader.get_app(name, global_conf).tree
    order = sorted(mounts, key=lambda mount: (mount[0] or '\xff', -len(mount[1])))
    return {'mounts': [[domain, path, mounts[domain, path]] for domain, path in order]}


def urlmap_factory(loader, global_conf, **local):
    made = composite('Paste#urlmap', urlmap)(loader, global_conf, **local)
    made.tree['kind'] = 'urlmap'
    return made


def raises(global_conf, **local):
    raise ValueError(f'the factory said no: {list(local)}')


def broken_urlmap_code(global_conf, **local):
    raise ValueError("invalid literal for int() with base 10: 'nope'")


EGGS = {
    'stub': {
        'paste.app_factory': {
            'main': app_factory('Stub#main'), 'echo': app_factory('Stub#echo'), 'raises': raises,
            'typeerror': lambda global_conf, **local: len(0), 'none': lambda global_conf, **local: None},
        'paste.composite_factory': {
            'comp': composite('Stub#comp', all_children), 'probe': composite('Stub#probe', probe)},
        'paste.filter_factory': {
            'f1': filter_factory('Stub#f1'), 'f2': filter_factory('Stub#f2'),
            'fboth': filter_factory('Stub#fboth(filter_factory)')},
        'paste.filter_app_factory': {
            'fa': filter_app_factory('Stub#fa'), 'fboth': filter_app_factory('Stub#fboth(filter_app_factory)')},
        'paste.server_runner': {'run': server_runner('Stub#run')},
    },
    'fakeapp': {
        'paste.app_factory': {
            'basic_app': app_factory('FakeApp#basic_app'), 'other': app_factory('FakeApp#other'),
            'configed': app_factory('FakeApp#configed')},
        'paste.composit_factory': {'remote_addr': composite('FakeApp#remote_addr', remote_addr)},
        'paste.filter_factory': {
            'caps': filter_factory('FakeApp#caps', method_to_call='upper'),
            'caps2': filter_factory('FakeApp#caps2', method_to_call='upper')},
    },
    'my_project': {'paste.app_factory': {'main': app_factory('my_project#main')}},
    'appcelerator': {'paste.app_factory': {
        'service_broker': app_factory('Appcelerator#service_broker'),
        'cross_domain_proxy': app_factory('Appcelerator#cross_domain_proxy')}},
    'authentication': {'paste.filter_factory': {'auth': filter_factory('Authentication#auth')}},
    'blogapp': {'paste.app_factory': {'main': app_factory('BlogApp#main')}},
    'paste': {
        'paste.app_factory': {'static': app_factory('Paste#static')},
        'paste.composite_factory': {'urlmap': urlmap_factory, 'cascade': broken_urlmap_code},
        'paste.filter_app_factory': {'evalerror': filter_app_factory('Paste#evalerror')},
        'paste.server_runner': {'http': server_runner('Paste#http')},
    },
    'pastescript': {'paste.server_factory': {'cgi': server_factory('PasteScript#cgi')}},
    'beaker': {'paste.filter_app_factory': {'beaker_session': filter_app_factory('Beaker#beaker_session')}},
    'waitress': {'paste.server_runner': {'main': server_runner('waitress#main')}},
}


class EntryPoint:
    def __init__(self, group, name, value):
        self.group, self.name, self.value = group, name, value

    def load(self):
        return self.value


def distribution(name):
    egg = EGGS.get(re.sub(r'[-_.]+', '_', name).lower())
    if egg is None:
        raise loadwsgi_metadata.PackageNotFoundError(name)
    return types.SimpleNamespace(
        entry_points=[EntryPoint(group, entry, value) for group, table in egg.items() for entry, value in table.items()])


def module(name, **members):
    sys.modules[name] = types.ModuleType(name)
    sys.modules[name].__dict__.update(members)


class SimpleApp:
    make_app = staticmethod(app_factory('fakeapp.configapps:SimpleApp.make_app'))


module('corpus_stubs', make_app=app_factory('call:corpus_stubs:make_app'),
       make_comp=composite('call:corpus_stubs:make_comp', all_children),
       make_filter=filter_factory('call:corpus_stubs:make_filter'),
       make_filter_app=filter_app_factory('call:corpus_stubs:make_filter_app'),
       make_server=server_factory('call:corpus_stubs:make_server'),
       make_runner=server_runner('call:corpus_stubs:make_runner'))
module('fakeapp')
module('fakeapp.apps', make_basic_app=app_factory('fakeapp.apps:make_basic_app'),
       make_basic_app2=app_factory('fakeapp.apps:make_basic_app2'),
       make_remote_addr=composite('FakeApp#remote_addr', remote_addr))
module('fakeapp.configapps', SimpleApp=SimpleApp)
sys.modules['fakeapp'].apps = sys.modules['fakeapp.apps']

loadwsgi_metadata = loadwsgi.importlib_metadata
loadwsgi.importlib_metadata = types.SimpleNamespace(
    distribution=distribution, EntryPoint=loadwsgi_metadata.EntryPoint)


def parse(text):
    parser = loadwsgi.NicerConfigParser('F')
    parser.optionxform = str
    try:
        parser.read_file(io.TextIOWrapper(io.BytesIO(text.encode()), encoding='utf-8'), 'F')
    except Exception as error:
        lines = [line for line, _ in getattr(error, 'errors', [])] or [getattr(error, 'lineno', None)]
        return {'error': type(error).__name__, 'lines': lines}
    return {'defaults': list(parser._defaults.items()),
            'sections': [[name, list(section.items())] for name, section in parser._sections.items()]}


def load(task):
    calls = {'loadapp': loadwsgi.loadapp, 'loadfilter': loadwsgi.loadfilter,
             'loadserver': loadwsgi.loadserver, 'appconfig': loadwsgi.appconfig}
    try:
        made = calls[task['call']](
            task['uri'], name=task.get('name'), relative_to=task['directory'], global_conf=task.get('global_conf'))
        if task['call'] == 'appconfig':
            return {'result': {'kind': 'appconfig', 'merged': pairs(made), 'global': pairs(made.global_conf),
                               'local': pairs(made.local_conf)}}
        if task['call'] != 'loadapp':
            made = made(MARKER)
        return {'result': made.tree if isinstance(made, Made) else {'kind': 'python-object'}}
    except Exception as error:
        return {'error': type(error).__name__}


tasks = json.load(sys.stdin)
print(json.dumps([parse(task['parse']) if 'parse' in task else load(task) for task in tasks]))
