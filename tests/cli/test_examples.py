#!/usr/bin/env python3
# tests/run: sanitizers
"""The examples do what they say. TAP."""
import json
import os
import re
import subprocess
import sys
import tempfile
from collections import Counter

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
EXAMPLES = os.path.join(ROOT, os.environ.get('BEAMC_BUILD', 'build/release'), 'examples')
TESTS = []


def test(fn):
    TESTS.append(fn)
    return fn


def run(name, *args, cwd=None):
    return subprocess.run([os.path.join(EXAMPLES, name)] + list(args), cwd=cwd, capture_output=True, text=True, timeout=60)


@test
def minimal_sums_squares_of_even_numbers(tmp):
    for upto in (1, 2, 10, 1000):
        done = run('minimal', '--upto=%d' % upto)
        want = sum(n * n for n in range(1, upto + 1) if n % 2 == 0)
        assert done.returncode == 0 and done.stdout == '%d\n' % want, (upto, done.stdout, done.stderr)


@test
def minimal_refuses_what_its_table_forbids(tmp):
    done = run('minimal', '--upto=1001')
    assert done.returncode == 2 and 'upto' in done.stderr, done.stderr


@test
def wordcount_counts_like_a_counter(tmp):
    text = open(os.path.join(ROOT, 'CONTRIBUTING.md'), encoding='utf-8').read()
    for i in range(2):
        with open(os.path.join(tmp, 'text-%d' % i), 'w') as f:
            f.write(text)
    done = run('wordcount', '--input=text-*', '--output=counts', cwd=tmp)
    assert done.returncode == 0, done.stderr
    want = Counter(re.findall(r"[A-Za-z'\u0080-\U0010ffff]+", text))
    rows = [json.loads(line) for line in open(os.path.join(tmp, 'counts', 'words.jsonl'), encoding='utf-8')]
    assert {r['word']: r['count'] for r in rows} == {w: 2 * n for w, n in want.items()}
    assert len(rows) == len(want)


def main():
    print('1..%d' % len(TESTS))
    failed = 0
    for i, fn in enumerate(TESTS, 1):
        try:
            with tempfile.TemporaryDirectory() as tmp:
                fn(tmp)
            print('ok %d - %s' % (i, fn.__name__.replace('_', ' ')))
        except Exception as why:  # the others still run
            failed += 1
            print('not ok %d - %s' % (i, fn.__name__.replace('_', ' ')))
            print('\n'.join('# ' + x for x in ('%s: %s' % (type(why).__name__, why)).splitlines()))
    sys.exit(1 if failed else 0)


if __name__ == '__main__':
    main()
