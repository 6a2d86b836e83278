"""The jobs that every runner must run: programs/runner_pipelines.c and the e-commerce job.

What the small pipelines must give is computed here, from the same input, in plain Python. The e-commerce job is compared
row for row with the local runner (which has an oracle of its own).
"""
import collections
import json
import os
import random
import re
import subprocess
import threading

import lib
from lib import equal

WINDOWS = {'fixed', 'sliding', 'sessions'}

# --- inputs and what must come out ---


def words_input(path, lines=2000, seed=1):
    chance = random.Random(seed)
    words = ['w%d' % int(chance.paretovariate(0.7)) for _ in range(500)] + ['\u00e4\u00f6', '\U0001f600']
    with open(path, 'w', encoding='utf-8') as out:
        for _ in range(lines):
            out.write(' '.join(chance.choice(words) for _ in range(chance.randrange(9))) + '\n')


def pairs_input(path, lines=3000, seed=2, keys=40):
    """Lines 'key number time', out of order, some before 1970."""
    chance = random.Random(seed)
    with open(path, 'w', encoding='utf-8') as out:
        for _ in range(lines):
            out.write('k%d %d %d\n' % (chance.randrange(keys), chance.randrange(-50, 1000) if keys > 1 else 1,
                                       chance.randrange(-600000, 3600000)))


def read_pairs(path):
    with open(path, encoding='utf-8') as lines:
        for line in lines:
            key, number, at = line.split()
            yield key, int(number), int(at)


def sum_by(triples):
    sums = collections.Counter()
    for key, window, number in triples:
        sums[key, window] += number
    return [(k, n, *w) for (k, w), n in sums.items()]


def fixed_windows(at, size=60000):
    return [(at - at % size, at - at % size + size)]


def sliding_windows(at, size=60000, period=20000):
    last = at - at % period
    return [(start, start + size) for start in range(last, last - size, -period)]


def sessions(pairs, gap=5000):
    by_key = collections.defaultdict(list)
    for key, number, at in pairs:
        by_key[key].append((at, number))
    for key, events in by_key.items():
        start = end = total = None
        for at, number in sorted(events):
            if start is None or at >= end:
                if start is not None:
                    yield key, total, start, end
                start, total = at, 0
            end, total = at + gap, total + number
        yield key, total, start, end


def expected(case, path):
    """{table: [(key, n, window_start, window_end)]}"""
    if case == 'words':
        with open(path, encoding='utf-8') as lines:
            counts = collections.Counter(word for line in lines for word in line.split())
        return {'words': [(w, n, 0, 0) for w, n in counts.items()]}
    pairs = list(read_pairs(path))
    if case == 'windows':
        return {'fixed': sum_by((k, w, n) for k, n, at in pairs for w in fixed_windows(at)),
                'sliding': sum_by((k, w, n) for k, n, at in pairs for w in sliding_windows(at)),
                'sessions': list(sessions(pairs))}
    if case == 'groups':
        return {'sums': sum_by((k, (0, 0), n) for k, n, _ in pairs),
                'counts': sum_by((k, (0, 0), 1) for k, _, _ in pairs)}
    if case == 'outputs':
        return {'zero_and_one': [(k, n, 0, 0) for k, n, _ in pairs if n % 3 != 2],
                'two': [(k, n, 0, 0) for k, n, _ in pairs if n % 3 == 2]}
    if case == 'side':
        ones = [(k, n) for k, n, _ in pairs if n % 3 == 1]
        every = sum(n for _, n in ones)
        same = collections.Counter()
        for k, n in ones:
            same[k] += n
        return {'joined': [(k, every + 1000 * same[k], 0, 0) for k, n, _ in pairs if n % 3 == 0]}
    if case == 'globally':
        numbers = [n for _, n, _ in pairs]
        return {'figures': [('sum', sum(numbers), 0, 0), ('min', min(numbers), 0, 0), ('max', max(numbers), 0, 0)]}
    raise KeyError(case)


def check_tables(case, path, folder):
    got = lib.read_rows(folder)
    want = {table: collections.Counter(json.dumps({'key': k, 'n': n, 'window_start': s, 'window_end': e}, sort_keys=True,
                                                  ensure_ascii=False) for k, n, s, e in rows)
            for table, rows in expected(case, path).items()}
    equal(sorted(got), sorted(want), 'tables')
    for table in want:
        missing, extra = want[table] - got[table], got[table] - want[table]
        assert not missing and not extra, 'table %s: %d rows expected, %d found; missing %s; unexpected %s' % (
            table, sum(want[table].values()), sum(got[table].values()), list(missing.items())[:3], list(extra.items())[:3])


# --- events of the e-commerce job ---

_FAULTS = ['', 'not json', '[1]', '{"event_type": "click"}', '{"event_type": "click", "event_time": "2024-02-30T00:00:00Z", '
           '"product_id": "p"}', '{"event_type": "click", "event_time": 5, "product_id": null}', '{"a": "\\ud800"}']


def event(kind, chance):
    at = '2024-05-01T%02d:%02d:%02d.%03dZ' % (chance.randrange(9, 11), chance.randrange(60), chance.randrange(60),
                                             chance.randrange(1000))
    fields = {'event_time': at, 'product_id': chance.choice(['p%d' % chance.randrange(50), chance.randrange(9), '\u00fc'])}
    if kind == 'click':
        fields['user_id'] = 'u%d' % chance.randrange(1000)
    elif kind == 'transaction':
        fields.update(store_id='s%d' % chance.randrange(5), qty=chance.choice([1, 2, '3', 4.0, -1, 'x', 2.5]))
    else:
        fields.update(warehouse_id=chance.choice(['w1', 'w2', 3]), delta=chance.choice([5, -2, ' +7 ', 1e2]))
    return json.dumps(dict(event_type=kind, **fields), ensure_ascii=chance.random() < 0.5)


def event_files(folder, count=4000, seed=3):
    """clicks.jsonl, transactions.jsonl, stock.jsonl; some out of order, a few per cent wrong. Their paths by stream."""
    chance, paths = random.Random(seed), {}
    for stream, kind in (('clicks', 'click'), ('transactions', 'transaction'), ('stock', 'stock')):
        paths[stream] = os.path.join(folder, stream + '.jsonl')
        with open(paths[stream], 'w', encoding='utf-8') as out:
            for _ in range(count):
                out.write((chance.choice(_FAULTS) if chance.random() < 0.03 else event(kind, chance)) + '\n')
    return paths


# --- running ---


class Pool:
    """A worker pool for EXTERNAL environments: PROGRAM --worker_pool on a free port, which it prints."""

    def __init__(self, t, program, *flags):
        self.proc = subprocess.Popen([program, '--worker_pool', '--worker_pool_port=0', *flags], stdin=subprocess.DEVNULL,
                                     stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                                     start_new_session=True)
        t.cleanup(lambda: lib.stop_group(self.proc))
        self.lines = []
        for line in self.proc.stdout:
            self.lines.append(line)
            found = re.search(r'(?:localhost|127\.0\.0\.1):(\d+)', line)
            if found:
                break
        else:
            raise AssertionError('the worker pool named no endpoint: ' + ''.join(self.lines))
        self.endpoint = 'localhost:' + found.group(1)
        t.log('output of the worker pool', lambda: ''.join(self.lines))
        threading.Thread(target=lambda: self.lines.extend(self.proc.stdout), daemon=True).start()


def portable(peer, environment='LOOPBACK', config=None):
    flags = ['--runner=PortableRunner', '--job_endpoint=' + peer.endpoint, '--environment_type=' + environment]
    return flags + (['--environment_config=' + config] if config else [])


def pipeline_case(t, peer, case, environment='LOOPBACK', timeout=120, **size):
    """One of programs/runner_pipelines.c on a runner (peer None: the local one)."""
    program = lib.program('runner_pipelines')
    source, out = t.path('input.txt'), t.path('out')
    (words_input if case == 'words' else pairs_input)(source, **size)
    config = Pool(t, program).endpoint if environment == 'EXTERNAL' else None
    flags = portable(peer, environment, config) if peer else []
    metrics = t.path('metrics.json')
    t.run([program, '--case=' + case, '--input=' + source, '--out=' + out, '--split_bytes=20000',
           '--metrics_json=' + metrics] + flags, timeout=timeout)
    check_tables(case, source, out)
    if case == 'words':
        check_counters(metrics, source)


def check_counters(metrics, source):
    with open(source, encoding='utf-8') as file:
        lines = [line.split() for line in file]
    with open(metrics) as file:
        found = json.load(file)
    counters = {c['name']: c['value'] for c in found['counters'] if c['namespace'] == 'pipelines'}
    equal(counters, {'lines': sum(1 for words in lines if words), 'words': sum(map(len, lines))}, 'counters')
    (lengths,) = [d for d in found['distributions'] if d['namespace'] == 'pipelines']
    sizes = [len(word.encode()) for words in lines for word in words]
    equal([lengths[k] for k in ('count', 'sum', 'min', 'max')], [len(sizes), sum(sizes), min(sizes), max(sizes)])


def splitting_case(t, peer, timeout=120):
    """programs/splitting.c: each offset once, whatever the runner did; and it did split, and came back after pauses."""
    program, metrics = lib.program('splitting'), t.path('metrics.json')
    t.run([program, '--out=' + t.path('out'), '--metrics_json=' + metrics] + (portable(peer) if peer else ['--parallelism=4']),
          timeout=timeout)
    want = collections.Counter(json.dumps({'key': k, 'n': n}, sort_keys=True)
                               for k, count in (('slow', 8), ('pausing', 75)) for n in range(count))
    got = lib.read_rows(t.path('out'))
    equal(sorted(got), ['offsets'])
    assert got['offsets'] == want, 'missing %s, unexpected %s' % (list((want - got['offsets']).items())[:3],
                                                                  list((got['offsets'] - want).items())[:3])
    counters = collections.Counter()
    with open(metrics) as file:
        for c in json.load(file)['counters']:
            counters[c['name']] += c['value'] if c['namespace'] == 'splitting' else 0
    t.log('counters', lambda: str(counters))
    equal(counters['restrictions'], 3)
    assert counters['pauses'] >= 7, counters
    splits = counters['calls'] - counters['restrictions'] - counters['pauses']
    assert 1 <= splits <= 100, 'the runner split %d times: %s' % (splits, counters)


def failing_case(t, peer, timeout=120, case='fail', words='is not liked here'):
    """A DoFn that fails fails the job: exit code 1, and its words reach the user."""
    program = lib.program('runner_pipelines')
    source = t.path('input.txt')
    pairs_input(source, lines=10)
    result = t.run([program, '--case=' + case, '--input=' + source, '--out=' + t.path('out')] + portable(peer),
                   timeout=timeout, check=False)
    equal((result.code, result.timed_out), (1, False), 'exit code of a failed job')
    assert words in result.stderr, result.stderr
    assert not os.path.exists(t.path('out', 'never.jsonl')), 'a failed job left a table'


def ecommerce_case(t, peer, environment='LOOPBACK', timeout=180, **size):
    """The e-commerce job on a runner gives the rows of the local runner."""
    program = lib.program('beamc-run')
    inputs = ['--input_%s=%s' % item for item in event_files(t.tmp, **size).items()]
    config = Pool(t, program).endpoint if environment == 'EXTERNAL' else None
    t.run([program, '--local', '--output_jsonl=' + t.path('local')] + inputs, timeout=timeout)
    t.run([program, '--output_jsonl=' + t.path('remote')] + inputs + portable(peer, environment, config), timeout=timeout)
    t.same_rows(t.path('local'), t.path('remote'))
