#!/usr/bin/env python3
"""The event contract, row for row: beamc-run against an independent implementation (reference.py). TAP."""
import json
import os
import subprocess
import sys
import tempfile
from collections import Counter

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
sys.path.insert(0, HERE)
import cases  # noqa: E402
import reference  # noqa: E402

RUN = os.path.join(ROOT, os.environ.get('BEAMC_BUILD', 'build/release'), 'bin', 'beamc-run')
FLAGS = {'click': '--input_clicks', 'transaction': '--input_transactions', 'stock': '--input_stock'}
MUTATIONS = int(os.environ.get('BEAMC_CONTRACT_MUTATIONS', '20000'))


def load(path):
    with open(path, encoding='utf-8') as f:
        return [json.loads(line) for line in f]


def freeze(rows):
    return Counter(json.dumps(r, sort_keys=True) for r in rows)


def first(counter, n=3):
    return '\n'.join('#     ' + x[:300] for x in list(counter)[:n])


def difference(want, got):
    a, b = want - got, got - want
    if not a and not b:
        return ''
    return '# missing %d, extra %d\n%s\n#   extra:\n%s' % (sum(a.values()), sum(b.values()), first(a), first(b))


def check(inputs, args=(), windows=None):
    """'' when beamc-run gives what the reference gives, else what differs."""
    with tempfile.TemporaryDirectory() as tmp:
        command = [RUN, '--local', '--output_jsonl=' + os.path.join(tmp, 'out')] + list(args)
        for event_type, data in inputs.items():
            path = os.path.join(tmp, event_type + '.jsonl')
            with open(path, 'wb') as f:
                f.write(data)
            command.append('%s=%s' % (FLAGS[event_type], path))
        command.append('--metrics_json=' + os.path.join(tmp, 'metrics.json'))
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=300)
        if done.returncode != 0:
            return '# exit code %d: %s' % (done.returncode, done.stdout.decode('utf-8', 'replace')[-500:])
        tables, dead = reference.run(inputs, windows)
        report = ''
        for name, rows in tables.items():
            wrong = difference(freeze(rows), freeze(load(os.path.join(tmp, 'out', name + '.jsonl'))))
            report += wrong and '# %s\n%s\n' % (name, wrong)
        got = load(os.path.join(tmp, 'out', 'dead_letter.jsonl'))
        fields = Counter((r['payload'], r['error'].split(' ')[0]) for r in got)
        errors = {}
        for r in got:
            errors[r['payload']] = r.pop('error')
        wrong = difference(freeze(r for r, _ in dead), freeze(got))
        report += wrong and '# dead_letter\n%s\n' % wrong
        for row, field in dead:
            if field != 'payload' and not fields[(row['payload'], field)]:
                report += '# the error of %r is %r and names no %s\n' % (row['payload'][:200], errors.get(row['payload']), field)
                break
        with open(os.path.join(tmp, 'metrics.json')) as f:
            counters = Counter()
            for c in json.load(f)['counters']:
                counters[c['name']] += c['value']
        for event_type, data in inputs.items():
            total = sum(1 for _ in reference.lines_of(data))
            if counters[event_type + '_received'] != total or \
                    counters[event_type + '_processed'] + counters[event_type + '_invalid'] != total:
                report += '# counters of %s do not add up to %d: %r\n' % (event_type, total, dict(counters))
        return report


def edges(seed, count):
    return {t: cases.file_bytes(list(cases.edge_lines(t)) + list(cases.mutated_lines(t, count, seed)) + list(cases.good_lines(t, 5000, seed)), seed)
            for t in FLAGS}


def main():
    tests = [
        ('every edge case, one by one', lambda: check({t: cases.file_bytes(list(cases.edge_lines(t)), 1) for t in FLAGS})),
        ('mutations, many threads', lambda: check(edges(1, MUTATIONS), ['--parallelism=4'])),
        ('mutations, one thread', lambda: check(edges(2, MUTATIONS), ['--parallelism=1'])),
        ('other window sizes', lambda: check(edges(3, 1000), ['--views_window_seconds=7', '--sales_window_seconds=86400', '--stock_window_seconds=1'],
                                             {'click': 7, 'transaction': 86400, 'stock': 1})),
        ('only one stream', lambda: check({'stock': edges(4, 100)['stock']})),
        ('empty files', lambda: check({t: b'' for t in FLAGS})),
        ('only blank lines', lambda: check({'click': b'\n\r\n \t\n\n', 'stock': b' '})),
        ('a payload that is cut', cut_payload),
    ]
    print('1..%d' % len(tests))
    failed = 0
    for i, (name, run) in enumerate(tests, 1):
        try:
            report = run()
        except Exception as why:  # a broken test is a failed one, and the others still run
            report = '# %s: %s' % (type(why).__name__, why)
        print('%sok %d - %s' % ('not ' if report else '', i, name))
        if report:
            failed += 1
            print(report.rstrip('\n'), flush=True)
    sys.exit(1 if failed else 0)


def cut_payload():
    """Over 9 MiB the payload is cut at 1 MiB, and its size is told."""
    with tempfile.TemporaryDirectory() as tmp:
        text = b'{"x": "' + b'\xc3\xa9' * (5 << 20) + b'"'
        path = os.path.join(tmp, 'c.jsonl')
        with open(path, 'wb') as f:
            f.write(text + b'\n{"event_time": "2026-01-01", "product_id": "P"}\n')
        done = subprocess.run([RUN, '--local', '--input_clicks=' + path, '--output_jsonl=' + os.path.join(tmp, 'out')], timeout=300,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        if done.returncode != 0:
            return '# exit code %d: %s' % (done.returncode, done.stdout.decode()[-500:])
        row, = load(os.path.join(tmp, 'out', 'dead_letter.jsonl'))
        views = load(os.path.join(tmp, 'out', 'product_views_summary.jsonl'))
        size = len(row['payload'].encode())
        if not row.get('truncated') or row.get('payload_size') != len(text) or not (1 << 20) - 4 < size <= 1 << 20:
            return '# truncated %r, payload_size %r, %d bytes kept' % (row.get('truncated'), row.get('payload_size'), size)
        return '' if len(views) == 1 else '# the good event behind it is lost'


if __name__ == '__main__':
    main()
