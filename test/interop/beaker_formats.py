"""The Python side of beaker-formats.test.ts: one JSON request on stdin, one JSON answer on stdout.

Values cross as tagged text, so that nothing that JSON can't tell apart is lost on the way: see show() and build().
"""

import base64
import json
import pickle
import struct
import sys
from types import SimpleNamespace

from beaker import crypto
from beaker.session import CookieSession, Session, SignedCookie


def show(value):
    """One tag, then the value, as JSON."""
    if value is None or isinstance(value, bool):
        return ['const', value]
    if isinstance(value, int):
        return ['int', str(value)]
    if isinstance(value, float):
        return ['float', struct.pack('>d', value).hex()]
    if isinstance(value, str):
        return ['str', value.encode('utf-16-be', 'surrogatepass').hex()]
    if isinstance(value, bytes):
        return ['bytes', value.hex()]
    if isinstance(value, list):
        return ['list', [show(item) for item in value]]
    if isinstance(value, tuple):
        return ['tuple', [show(item) for item in value]]
    if isinstance(value, dict):
        return ['dict', [[show(key), show(member)] for key, member in value.items()]]
    raise TypeError(type(value).__name__)


def build(tagged):
    """The reverse of show()."""
    tag, value = tagged
    if tag == 'const':
        return value
    if tag == 'int':
        return int(value)
    if tag == 'float':
        return struct.unpack('>d', bytes.fromhex(value))[0]
    if tag == 'str':
        return bytes.fromhex(value).decode('utf-16-be', 'surrogatepass')
    if tag == 'bytes':
        return bytes.fromhex(value)
    if tag == 'list':
        return [build(item) for item in value]
    if tag == 'tuple':
        return tuple(build(item) for item in value)
    return {build(key): build(member) for key, member in value}


def nss_like():
    """What nsscrypto does, without NSS: AES-CBC, a zero IV, PKCS#7."""
    from Cryptodome.Cipher import AES
    from Cryptodome.Util.Padding import pad, unpad
    return SimpleNamespace(
        has_aes=True,
        getKeyLength=lambda: 32,
        aesEncrypt=lambda data, key: AES.new(key, AES.MODE_CBC, bytes(16)).encrypt(pad(data, 16)),
        aesDecrypt=lambda data, key: unpad(AES.new(key, AES.MODE_CBC, bytes(16)).decrypt(data), 16),
    )


crypto.register_crypto_module('nss', nss_like())


def given(options):
    """Without what JSON had to leave out."""
    return {key: value for key, value in options.items() if value is not None}


def session(options):
    return Session({}, use_cookies=False, id='0' * 32, type='memory', **given(options))


def b64(text):
    return base64.b64decode(text)


def attempt(function, argument):
    try:
        return function(argument)
    except Exception as error:
        return {'error': type(error).__name__}


def file_load(request):
    """Beaker's own session, from a data_dir: what it read, and what it wrote after a change."""
    loaded = Session({}, use_cookies=False, **request['options'])
    before = show(dict(loaded))
    for key, tagged in request['set']:
        loaded[key] = build(tagged)
    loaded.save()
    return {'dict': before, 'is_new': loaded.is_new}


def cookie_load(request):
    environ = {'cookie': 'sid=' + request['cookie']}
    loaded = CookieSession(environ, key='sid', **given(request['options']))
    before = show(dict(loaded))
    for key, tagged in request['set']:
        loaded[key] = build(tagged)
    loaded.save()
    return {'dict': before, 'is_new': loaded.is_new, 'cookie': loaded.cookie['sid'].coded_value}


OPERATIONS = {
    'unpickle': lambda text: show(pickle.loads(b64(text))),
    'pickle': lambda tagged: [base64.b64encode(pickle.dumps(build(tagged), protocol)).decode() for protocol in range(6)],
    'json_loads': lambda text: show(json.loads(text)),
    'json_dumps': lambda tagged: json.dumps(build(tagged)),
    'b64decode': lambda text: base64.b64decode(text.encode('latin1')).hex(),
    'decrypt': lambda request: show(session(request['options'])._decrypt_data(request['text'])),
    'encrypt': lambda request: session(request['options'])._encrypt_data(build(request['dict'])),
    'sign': lambda request: SignedCookie(request['secret']).value_encode(request['text'])[1],
    'verify': lambda request: SignedCookie(request['secret']).value_decode(request['value'])[0] or None,
    'file': file_load,
    'cookie': cookie_load,
}

requests = json.load(sys.stdin)
json.dump([attempt(OPERATIONS[operation], argument) for operation, argument in requests], sys.stdout)
