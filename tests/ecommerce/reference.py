"""An independent implementation of the event contract, slow and plain.

Written from docs/event-contract.md, not from the C code, so that the two can be compared. Gives rows and dead letters
for three files of JSON lines; of a dead letter's error only the field that it must name is known.
"""
import base64
import datetime
import json
import re
import sys
from collections import defaultdict

sys.set_int_max_str_digits(0)
INT_MIN, INT_MAX = -(2 ** 63), 2 ** 63 - 1
EPOCH = datetime.datetime(1970, 1, 1)
STREAMS = {
    'click': (60, ['event_time', 'product_id']),
    'transaction': (300, ['event_time', 'product_id', 'store_id', 'qty']),
    'stock': (300, ['event_time', 'product_id', 'warehouse_id', 'delta']),
}
TABLES = {
    'click': ('product_views_summary', None, 'view_count'),
    'transaction': ('sales_summary', 'store_id', 'sales_count'),
    'stock': ('inventory_summary', 'warehouse_id', 'stock_count'),
}
ASCII_SPACE = b' \t\n\v\f\r'
TIME = re.compile(r'(\d{4})-(\d{2})-(\d{2})(?:[Tt ](\d{2}):(\d{2})(?::(\d{2})(?:\.(\d{1,9}))?)?(Z|z|[+-]\d{2}:\d{2})?)?\Z', re.ASCII)


class Real(float):
    """A number written with '.' or 'e'."""


class Invalid(Exception):
    def __init__(self, field):
        super().__init__(field)
        self.field = field


def _int(text):
    value = int(text)
    try:
        float(value)
    except OverflowError:
        raise ValueError('not finite')
    return value


def _real(text):
    value = Real(text)
    if value in (float('inf'), float('-inf')):
        raise ValueError('not finite')
    return value


def _constant(text):
    raise ValueError(text)


def _depth(text):
    """Levels of nesting of a JSON text; strings are skipped."""
    depth = deepest = 0
    for token in re.finditer(r'"(?:[^"\\]|\\.)*"|[\[\]{}]', text, re.DOTALL):
        c = token.group()
        if c in '[{':
            depth += 1
            deepest = max(deepest, depth)
        elif c in ']}':
            depth -= 1
    return deepest


def _check_surrogates(value):
    stack = [value]
    while stack:
        v = stack.pop()
        if isinstance(v, str):
            v.encode('utf-8')
        elif isinstance(v, list):
            stack.extend(v)
        elif isinstance(v, dict):
            stack.extend(v.keys())
            stack.extend(v.values())


def parse_json(line):
    """The object as a dict (last name wins), or Invalid('payload')."""
    try:
        text = line.decode('utf-8')
        if _depth(text) > 1100:
            raise ValueError('nesting')
        # Surrogates must be checked in members that a later one of the same name hides, too.
        pairs = []

        def hook(items):
            pairs.append(items)
            return dict(items)
        old = sys.getrecursionlimit()
        sys.setrecursionlimit(20000)
        try:
            value = json.loads(text, parse_int=_int, parse_float=_real, parse_constant=_constant, object_pairs_hook=hook)
        finally:
            sys.setrecursionlimit(old)
        for items in pairs:
            for k, v in items:
                _check_surrogates(k)
                if isinstance(v, (str, list)):
                    _check_surrogates(v)
        _check_surrogates(value)
    except (ValueError, RecursionError):
        raise Invalid('payload')
    if not isinstance(value, dict):
        raise Invalid('payload')
    return value


def parse_time(value, window):
    if not isinstance(value, str):
        raise Invalid('event_time')
    m = TIME.match(value)
    if not m:
        raise Invalid('event_time')
    year, month, day, hour, minute, second, fraction, zone = m.groups()
    try:
        at = datetime.datetime(int(year), int(month), int(day), int(hour or 0), int(minute or 0), int(second or 0))
    except ValueError:
        raise Invalid('event_time')
    seconds = int((at - EPOCH).total_seconds())
    if zone and zone not in 'Zz':
        h, mi = int(zone[1:3]), int(zone[4:6])
        if h > 23 or mi > 59:
            raise Invalid('event_time')
        seconds -= (h * 3600 + mi * 60) * (1 if zone[0] == '+' else -1)
    first, end = -62135596800, 253402300800
    start = seconds // window * window
    if not first <= seconds < end or start < first or start + window >= end:
        raise Invalid('event_time')
    return start


def parse_id(name, value):
    if isinstance(value, bool) or not isinstance(value, (str, int)):
        raise Invalid(name)
    if isinstance(value, str):
        return value
    if not INT_MIN <= value <= INT_MAX:
        raise Invalid(name)
    return str(value)


def parse_amount(name, value):
    if isinstance(value, Real):
        if value == int(value) and abs(value) <= 2.0 ** 53:
            return int(value)
        raise Invalid(name)
    if isinstance(value, bool):
        raise Invalid(name)
    if isinstance(value, int):
        n = value
    elif isinstance(value, str) and re.match(r'[ \t\n\v\f\r]*[+-]?[0-9]+[ \t\n\v\f\r]*\Z', value, re.ASCII):
        n = int(value.strip(' \t\n\v\f\r'))
    else:
        raise Invalid(name)
    if not INT_MIN <= n <= INT_MAX:
        raise Invalid(name)
    return n


def parse_event(event_type, line, window):
    """(window start, product, second or None, amount), or Invalid."""
    obj = parse_json(line)
    out = []
    for name in STREAMS[event_type][1]:
        value = obj.get(name)
        if value is None or (isinstance(value, str) and value == ''):
            raise Invalid(name)
        if name == 'event_time':
            out.append(parse_time(value, window))
        elif name in ('qty', 'delta'):
            out.append(parse_amount(name, value))
        else:
            out.append(parse_id(name, value))
    return out if event_type != 'click' else out + [None, 1]


def lines_of(data):
    parts = data.split(b'\n')
    if parts and parts[-1] == b'':
        parts.pop()
    for line in parts:
        if line.endswith(b'\r'):
            line = line[:-1]
        if line.strip(ASCII_SPACE):
            yield line


def dead_letter(event_type, line):
    row = {'event_type': event_type, 'payload': line.decode('utf-8', 'replace')}
    try:
        line.decode('utf-8')
    except UnicodeDecodeError:
        row['payload_base64'] = base64.b64encode(line).decode()
    if len(json.dumps(row, ensure_ascii=False).encode('utf-8', 'surrogatepass')) > (9 << 20) - 4096:
        return None  # cut; compared by the tests that make such lines
    return row


def stamp(seconds):
    at = EPOCH + datetime.timedelta(seconds=seconds)
    return '%04d-%02d-%02dT%02d:%02d:%02dZ' % (at.year, at.month, at.day, at.hour, at.minute, at.second)


def run(inputs, windows=None):
    """inputs: {event_type: bytes}. Gives ({table: [row]}, [(dead letter, field that its error names)])."""
    tables = {name: [] for name, _, _ in TABLES.values()}
    dead = []
    for event_type, data in inputs.items():
        window = (windows or {}).get(event_type, STREAMS[event_type][0])
        sums = defaultdict(int)
        for line in lines_of(data):
            try:
                start, product, second, amount = parse_event(event_type, line, window)
            except Invalid as why:
                dead.append((dead_letter(event_type, line), why.field))
                continue
            sums[(product, second, start)] += amount
            if second is not None:
                sums[(product, 'ALL', start)] += amount
        table, second_name, value_name = TABLES[event_type]
        for (product, second, start), total in sums.items():
            row = {'product_id': product}
            if second_name:
                row[second_name] = second
            row.update(window_start=stamp(start), window_end=stamp(start + window))
            row[value_name] = min(max(total, INT_MIN), INT_MAX)
            tables[table].append(row)
    return tables, dead
