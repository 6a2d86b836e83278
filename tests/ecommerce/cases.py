"""Events full of edge cases, and seeded mutations of good ones."""
import json
import random

GOOD = {
    'click': {'event_time': '2026-01-01T00:00:27.933Z', 'product_id': 'P1'},
    'transaction': {'event_time': '2026-01-01T00:04:59Z', 'product_id': 'P1', 'store_id': 'S1', 'qty': 3},
    'stock': {'event_time': '2026-01-01 00:05:00+00:00', 'product_id': 'P1', 'warehouse_id': 'W1', 'delta': -2},
}

TIMES = [
    '2026-01-01', '2026-01-01Z', '2026-01-01T', '2026-01-01T10:00', '2026-01-01t10:00:00z', '2026-01-01 10:00:00',
    '2026-01-01T10:00:00.1', '2026-01-01T10:00:00.123456789', '2026-01-01T10:00:00.1234567890', '2026-01-01T10:00:00.',
    '2026-01-01T10:00:00,5', '2026-01-01T10', '2026-01-01T24:00', '2026-01-01T23:59:60', '2026-01-01T10:60',
    '2026-01-01T10:00+02:00', '2026-01-01T10:00-23:59', '2026-01-01T10:00+24:00', '2026-01-01T10:00+02:60',
    '2026-01-01T10:00+0200', '2026-01-01T10:00 Z', '2026-01-01T10:00:00ZZ', '2026-01-01  10:00', '2026-1-01', '26-01-01',
    '2026-02-29', '2024-02-29', '1900-02-29', '2000-02-29', '2026-13-01', '2026-00-01', '2026-01-00', '2026-01-32', '2026-04-31',
    '0001-01-01', '0000-01-01', '0000-12-31T23:00-02:00', '0001-01-01T00:00+00:01', '0001-01-01T00:00-00:01',
    '9999-12-31T23:58:59', '9999-12-31T23:59:00', '9999-12-31T23:54:59', '9999-12-31T23:55:00', '9999-12-31T23:00-02:00',
    '1969-12-31T23:59:59.999', '1969-12-31T23:59', '1960-06-30T12:34:56.789012Z', '1970-01-01T00:00:00Z', '+2026-01-01', '2026-01-01T10:00:00.5+05:30',
    ' 2026-01-01', '2026-01-01 ', '2026-01-01T10:00:00\u00a0', '２０２６-01-01', '2026-01-01T1٠:00', 'not-a-time', 'now', '1767225600', 'T10:00', '2026-W01-1',
    '2026-001', '20260101', '2026-01-01T100000', '2026/01/01', '2026-01-01T10:00:00+', '2026-01-01T10:00:00-', '2026-01-01T10:00:00+2', '2026-01-01T10:00:00\n', '2026-01-01T10:00.5',
]
TIME_RAW = ['1767225600', 'true', 'null', '""', '[]', '{}', '1.5', '" "', '"2026-01-01T10:00:00\\u005a"', '"\\u0032026-01-01"', '"2026-01-01\\u0000"']
IDS_RAW = [
    '"a"', '" "', '""', 'null', '42', '-0', '0', '-42', '9223372036854775807', '-9223372036854775808', '9223372036854775808', '-9223372036854775809',
    '1e2', '42.0', '-0.0', 'true', 'false', '[]', '{}', '["a"]', '"ALL"', '"\\u0000"', '"a\\u0000b"', '"\\ud83d\\ude00"', '"😀"', '"\\ud800"', '"\\udc00\\ud800"',
    '"é"', '"e\\u0301"', '"\\u00e9"', '"\\"\\\\\\/\\b\\f\\n\\r\\t"', '"\\x41"', '"\t"', '"\x7f"', '"<script>&"', '"' + 'x' * 3000 + '"', '"\u2028"', '123456789012345678901234567890', '00', '+1', '.5', '1.', '-', '1e', '0x10', '"unterminated',
]
INTS_RAW = IDS_RAW + [
    '1', '-1', '2.0', '1e2', '1.5e1', '1E+2', '1e-2', '100e-2', '2.7', '9007199254740992.0', '9007199254740993.0', '9007199254740994.0', '-9007199254740992.0', '1e16', '1e308', '1e309', '-1e309', '1e-400', '0e0', '-0.0',
    '"3"', '" -2 "', '"+7"', '"007"', '"\\t8\\n"', '"\\u000b9\\f"', '"\\u00a03"', '"1.0"', '"1_0"', '"- 2"', '"--2"', '"+-2"', '"٣"', '"9223372036854775807"', '"-9223372036854775808"', '"9223372036854775808"',
    '"-9223372036854775809"', '"000000000000000000000000000012"', '"1e2"', '"0x1"', '" "', '"+"', '"3 4"', '"３"', '"3\\u0000"',
]
WHOLE = [
    b'', b' ', b'\t \r', b'\x0b', b'{}', b'[]', b'null', b'1', b'"x"', b'{', b'}', b'{"a":1', b'{"a" 1}', b'{a:1}', b"{'a':1}", b'[1,]', b'\xef\xbb\xbf{}', b'\xff\xfe{\x00}\x00',
    b'{"a":NaN}', b'{"a":Infinity}', b'{"a":-Infinity}', b'nan', b'//x', b'{}{}', b'{} {}', b'{}x', b'\x00', b'{}\x00', b'\xc3\x28', b'\xe2\x28\xa1', b'\xf0\x28\x8c\xbc', b'\xf8\x88\x80\x80\x80',
    b'\xed\xa0\x80', b'\xc0\x80', b'\xf4\x90\x80\x80', b'abc\xe2\x82', b'\xe2\x82\xff\xf0\x9f\x98x', b'\x80\x80\x80', b'\x7f', b'[' * 2000, b'[' * 2000 + b']' * 2000,
]
EXTRA_RAW = [
    '1', 'null', 'NaN', '1e999', '-1e999', '123456789012345678901234567890', '1' * 400, '1.7976931348623157e308', '1.7976931348623159e308', '[1,]', '[01]', '{"a":{"a":[]}}', '"\\ud800"', '"\\ud800\\u0041"', '"\\udbff\\udfff"', 'tru', '"\\u12"', '"\\u00g0"',
    '[' * 400 + ']' * 400, '[' * 490 + ']' * 490, '[' * 1200 + ']' * 1200, '{"a":' * 450 + '1' + '}' * 450, '-', '0', '-0', '0.0', '1.0e5', '1e5', '1 2', '"\x01"', '"a\nb"', '/*x*/1', '[NaN]', '{"x":1,"x":2}', '18446744073709551615', '18446744073709551616', '1e400', '0.1e-999',
]
NAMES = ['event_time', 'product_id', 'store_id', 'warehouse_id', 'qty', 'delta']


def _line(obj, name=None, raw=None, extra=''):
    parts = []
    for k, v in obj.items():
        parts.append('%s: %s' % (json.dumps(k), raw if k == name else json.dumps(v)))
    return ('{' + ', '.join(parts) + extra + '}').encode('utf-8', 'surrogatepass')


def edge_lines(event_type):
    good = GOOD[event_type]
    yield _line(good)
    yield from WHOLE
    for t in TIMES:
        yield _line(good, 'event_time', json.dumps(t))
        yield _line(good, 'event_time', json.dumps(t, ensure_ascii=False))
    for raw in TIME_RAW:
        yield _line(good, 'event_time', raw)
    for name in good:
        yield _line({k: v for k, v in good.items() if k != name})
        if name != 'event_time':
            for raw in (INTS_RAW if name in ('qty', 'delta') else IDS_RAW):
                yield _line(good, name, raw)
        # repeated names, compared after unescaping: the last one counts
        escaped = '"\\u%04x%s"' % (ord(name[0]), name[1:])
        for raw in ('null', '""', json.dumps(good[name]), '7', '"2026-01-01T01:00:00Z"', '"\\ud800"'):
            yield _line(good, extra=', %s: %s' % (json.dumps(name), raw))
            yield _line(good, extra=', %s: %s' % (escaped, raw))
            yield ('{%s: %s, ' % (escaped, raw)).encode() + _line(good)[1:]
    for raw in EXTRA_RAW:
        yield _line(good, extra=', "extra": %s' % raw)
        yield ('{"extra": %s, ' % raw).encode('utf-8', 'surrogatepass') + _line(good)[1:]
    yield _line(good, extra=', "\\ud800": 1')
    yield _line(good, extra=', "": 1')
    yield b'  ' + _line(good) + b' \t\r'
    yield b'\x0b' + _line(good)
    yield _line(good) + b','
    yield _line(good, extra=',')
    yield _line(good).replace(b', ', b' ,\t')
    yield _line(good) + b'\x00'
    yield b'\xc2\xa0' + _line(good)
    yield _line(good, extra=', "pad": "' + 'y' * 70000 + '"')
    yield _line(good, extra=', "bad": "%s"' % ('z' * 500)).replace(b'zzz"', b'z\xff\xfe"')


def mutated_lines(event_type, count, seed):
    rnd = random.Random('%s/%d' % (event_type, seed))
    pool = [line for line in edge_lines(event_type) if b'\n' not in line and len(line) < 4000]
    for _ in range(count):
        line = bytearray(rnd.choice(pool))
        for _ in range(rnd.choice((0, 1, 1, 2, 5))):
            kind = rnd.randrange(4)
            at = rnd.randrange(len(line) + 1)
            if kind == 0 and line:
                del line[at:at + rnd.randrange(1, 4)]
            elif kind == 1:
                line[at:at] = bytes([rnd.choice(b' {}[]",:\\0129.eE+-\xff\xc3tfn\x00')])
            elif kind == 2 and at < len(line):
                line[at] = rnd.randrange(256)
            else:
                other = rnd.choice(pool)
                cut = rnd.randrange(len(other) + 1)
                line[at:] = other[cut:]
        yield bytes(line).replace(b'\n', b' ')


def good_lines(event_type, count, seed):
    """Many valid events over few keys and windows, so that sums and the ALL keys matter."""
    rnd = random.Random('good/%s/%d' % (event_type, seed))
    for _ in range(count):
        event = dict(GOOD[event_type])
        event['event_time'] = '2026-01-01T%02d:%02d:%02d.%03dZ' % (rnd.randrange(2), rnd.randrange(60), rnd.randrange(60), rnd.randrange(1000))
        event['product_id'] = rnd.choice(['P%d' % rnd.randrange(30), rnd.randrange(5), 'ALL', 'é'])
        for name in ('store_id', 'warehouse_id'):
            if name in event:
                event[name] = rnd.choice(['S%d' % rnd.randrange(5), 'ALL', 7])
        for name in ('qty', 'delta'):
            if name in event:
                event[name] = rnd.choice([rnd.randrange(-20, 20), str(rnd.randrange(100)), 2.0, 2 ** 62, -2 ** 62, 2 ** 63 - 1])
        yield json.dumps(event, ensure_ascii=rnd.random() < 0.5).encode()


def file_bytes(lines, seed):
    """Lines with LF or CR LF between, the last one with or without."""
    rnd = random.Random('file/%d' % seed)
    out = bytearray()
    for line in lines:
        out += line.replace(b'\n', b' ')
        out += rnd.choice((b'\n', b'\n', b'\n', b'\r\n', b'\n\n', b'\n \t\r\n'))
    if rnd.random() < 0.5:
        out = out.rstrip(b'\n')
    return bytes(out)
