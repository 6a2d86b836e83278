"""What the examples print, on any runner: run by tests/cli/test_examples.py here and by
tests/interop/test_runner_prism_examples.py on Prism, with the same expectations.

A case is a function (run, tmp): run(name, *args) runs an example in the folder tmp and gives its standard output;
it fails unless the example ends with 0. Lines are compared without their order: bundles are parallel.
"""
import json
import os
import re
import sqlite3
import threading
import time
from collections import Counter

MINUTE = '[1970-01-01T00:%02d:00Z, 1970-01-01T00:%02d:00Z)'


def lines(text, *expected):
    got, want = Counter(text.splitlines()), Counter(expected)
    assert got == want, 'missing %s; unexpected %s' % (list((want - got).elements()), list((got - want).elements()))


def later(action, items, pause_s=0.1):
    """Calls action(item) for each item, a while apart, beside what is tested."""
    def work():
        for item in items:
            time.sleep(pause_s)
            action(item)
    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    return thread


# --- bounded ---


def minimal(run, tmp):
    for upto in (1, 2, 10):
        lines(run('minimal', '--upto=%d' % upto), str(sum(n * n for n in range(1, upto + 1) if n % 2 == 0)))


def primes(run, tmp):
    for below, count in ((200000, 17984), (2, 0), (0, 0)):
        lines(run('primes', '--below=%d' % below), 'primes below %d: %d' % (below, count))


def mandelbrot(run, tmp):
    def shade(cx, cy):
        x = y = 0.0
        for steps in range(2000):
            if x * x + y * y > 4:
                return ' .:-=+*%@'[steps // 3 if steps < 27 else 8]
            x, y = x * x - y * y + cx, 2 * x * y + cy
        return '#'
    width, height = 31, 9
    want = [''.join(shade(3.2 * x / width - 2.2, 2.4 * y / height - 1.2) for x in range(width)) for y in range(height)]
    got = run('mandelbrot', '--width=%d' % width, '--height=%d' % height).splitlines()
    assert got == want, '\n' + '\n'.join(got)


def enrich(run, tmp):
    lines(run('enrich'), 'ann: {"product": "tea", "cents": 800}', 'bob: {"product": "tea", "cents": 800}',
          'bob: {"product": "pot", "cents": 5800}', 'unknown: ann: cup')


# --- sources without an end ---


def ticks(run, tmp):
    got = run('ticks', '--seconds=2', '--every_ms=50').splitlines()
    assert len(got) == 2 and all(re.match(r'ticks in it: 20 in \[\S+:\d\dZ, \S+:\d\dZ\)$', g) for g in got), got
    assert len(set(got)) == 2, got


def tail(run, tmp):
    path = os.path.join(tmp, 'app.log')

    def write(text):
        with open(path, 'a', encoding='utf-8') as log:
            log.write(text)
    write('2026-01-01T00:00:01Z INFO up\nno log line\n')
    writer = later(write, ['2026-01-01T00:00:59Z ERROR a\n2026-01-01T00:00:58Z ERR', 'OR b\n',  # a line in two pieces
                           '2026-01-01T00:01:30Z INFO c\n', '\n2026-01-01T00:03:00Z INFO d'])  # the last: never ended
    got = run('tail', '--input=app.log')
    writer.join()
    window = '[2026-01-01T00:%02d:00Z, 2026-01-01T00:%02d:00Z)'
    lines(got, 'INFO: 1 in ' + window % (0, 1), 'ERROR: 2 in ' + window % (0, 1), 'INFO: 1 in ' + window % (1, 2))


def spool(run, tmp):
    folder = os.path.join(tmp, 'spool')
    os.mkdir(folder)

    def put(number):
        with open(os.path.join(folder, '.new'), 'w', encoding='utf-8') as file:
            file.write('job %d\n' % number)
        os.rename(os.path.join(folder, '.new'), os.path.join(folder, str(number)))
    put(1)
    with open(os.path.join(folder, 'notes.txt'), 'w', encoding='utf-8') as file:
        file.write('not a job\n')
    writer = later(put, [2, 3, 7, 20])
    got = run('spool', '--spool=spool')
    writer.join()
    lines(got, *['%d: job %d' % (n, n) for n in (1, 2, 3, 7, 20)])
    assert os.listdir(folder) == ['notes.txt'], os.listdir(folder)


def live(run, tmp):
    run('live', '--events=1000', '--output=out')
    with open(os.path.join(tmp, 'out', 'clicks.jsonl'), encoding='utf-8') as table:
        rows = [json.loads(line) for line in table]
    assert sum(row['clicks'] for row in rows) == 700, rows
    keys = Counter((row['window'], row['product']) for row in rows)
    assert max(keys.values()) == 1, keys.most_common(3)


# --- state and timers ---


def dedup(run, tmp):
    def at(minute):
        return ' at 1970-01-01T00:%02d:00Z' % minute
    first = ['sensor-1: a' + at(1), 'sensor-2: a' + at(2), 'sensor-1: b' + at(3)]
    lines(run('dedup'), *first, 'sensor-1: b' + at(15), 'sensor-1: a' + at(41))
    lines(run('dedup', '--minutes=1000'), *first)


def visits(run, tmp):
    lines(run('visits'), 'ann: home > cart > pay at 1970-01-01T00:00:10Z', 'bob: home at 1970-01-01T00:00:15Z',
          'ann: again at 1970-01-01T00:03:20Z', 'bob: news at 1970-01-01T00:02:10Z',
          'bob: home > bye at 1970-01-01T00:05:10Z', 'bob: home at 1970-01-01T00:05:40Z')


def batch_of_one(run, tmp):
    lines(run('batch', '--batch=1'), *['%s: [%d] full' % call for call in (
        ('ann', 1), ('ann', 2), ('ann', 3), ('ann', 4), ('ann', 5), ('bob', 10), ('bob', 20))])


def batch(run, tmp):
    lines(run('batch'), 'ann: [1, 2, 3] full', 'bob: [10] waited long enough', 'ann: [4] the window ends',
          'bob: [20] the window ends', 'ann: [5] waited long enough')


def deltas(run, tmp):
    lines(run('deltas'), 'meter-1: 7 at 1970-01-01T02:00:00Z', 'meter-1: 23 at 1970-01-01T03:00:00Z',
          'meter-2: 2 at 1970-01-01T06:00:00Z', 'meter-1: 1 at 1970-01-01T05:00:00Z')


# --- windows and triggers ---


def windows(run, tmp):
    lines(run('windows'), 'red: 12 in %s pane 0 early, first' % (MINUTE % (0, 1)),
          'red: 3 in %s pane 1 on time' % (MINUTE % (0, 1)), 'blue: 1 in %s pane 0 on time, first' % (MINUTE % (0, 1)),
          'red: 2 in %s pane 2 late' % (MINUTE % (0, 1)), 'blue: 4 in %s pane 0 on time, first' % (MINUTE % (1, 2)))


# The sums of red's panes in the first minute, whose points are 5, 7, 3 and, late, 2. Blue has 1 and 4, a minute each.
TRIGGERS = {'default': [15, 2], 'early_and_late': [12, 3, 2], 'clock': [15, 2], 'pair_or_clock': [12, 3, 2],
            'pair_and_clock': [15, 2], 'two_then_each': [12, 3, 2], 'always': [5, 7, 3, 2], 'never': [17]}
# Prism fires what is left when a window ends, and late points behind a finished trigger.
TRIGGERS_HERE = {'pairs': [12, 5], 'each_until_over': [5, 7, 3]}


def check_triggers(run, expected):
    for trigger, red in expected.items():
        got = re.sub(r' pane .*', '', run('windows', '--trigger=' + trigger))
        lines(got, 'blue: 1 in ' + MINUTE % (0, 1), 'blue: 4 in ' + MINUTE % (1, 2),
              *['red: %d in %s' % (n, MINUTE % (0, 1)) for n in red])


def triggers(run, tmp):
    check_triggers(run, TRIGGERS)


def triggers_to_the_letter(run, tmp):
    check_triggers(run, TRIGGERS_HERE)


SLIDING = [('red: 12', '00:00:00Z', '00:01:00Z', 'early'), ('red: 3', '00:00:00Z', '00:01:00Z', 'on time'),
           ('red: 2', '00:00:00Z', '00:01:00Z', 'late'), ('blue: 1', '00:00:00Z', '00:01:00Z', 'on time'),
           ('red: 3', '00:00:30Z', '00:01:30Z', 'on time'), ('blue: 5', '00:00:30Z', '00:01:30Z', 'early'),
           ('blue: 4', '00:01:00Z', '00:02:00Z', 'on time')]


def sliding_windows(run, tmp):
    """Without the panes: Prism calls some late ones early."""
    got = re.sub(r' pane .*', '', run('windows', '--windows=sliding'))
    lines(got, 'red: 12 in [1969-12-31T23:59:30Z, 1970-01-01T00:00:30Z)',
          'red: 2 in [1969-12-31T23:59:30Z, 1970-01-01T00:00:30Z)',
          *['%s in [1970-01-01T%s, 1970-01-01T%s)' % x[:3] for x in SLIDING])


def panes_of_sliding_windows(run, tmp):
    got = re.sub(r' pane \d+ (early|on time|late).*', r' \1', run('windows', '--windows=sliding'))
    lines(got, 'red: 12 in [1969-12-31T23:59:30Z, 1970-01-01T00:00:30Z) early',
          'red: 2 in [1969-12-31T23:59:30Z, 1970-01-01T00:00:30Z) late',
          *['%s in [1970-01-01T%s, 1970-01-01T%s) %s' % x for x in SLIDING])


def accumulated_windows(run, tmp):
    lines(run('windows', '--accumulate'), 'red: 12 in %s pane 0 early, first' % (MINUTE % (0, 1)),
          'red: 15 in %s pane 1 on time' % (MINUTE % (0, 1)), 'red: 17 in %s pane 2 late' % (MINUTE % (0, 1)),
          'blue: 1 in %s pane 0 on time, first' % (MINUTE % (0, 1)),
          'blue: 4 in %s pane 0 on time, first' % (MINUTE % (1, 2)))


def session_windows(run, tmp):
    lines(run('windows', '--windows=sessions', '--lateness=0'),
          'red: 12 in [1970-01-01T00:00:10Z, 1970-01-01T00:00:45Z) pane 0 early, first',
          'blue: 1 in [1970-01-01T00:00:30Z, 1970-01-01T00:01:00Z) pane 0 on time, first, last',
          'red: 3 in [1970-01-01T00:00:50Z, 1970-01-01T00:01:20Z) pane 0 on time, first, last',
          'blue: 4 in [1970-01-01T00:01:10Z, 1970-01-01T00:01:40Z) pane 0 on time, first, last')


def sqlite(run, tmp):
    run('live', '--events=1000', '--sqlite=live.sqlite')
    with sqlite3.connect(os.path.join(tmp, 'live.sqlite')) as db:
        assert db.execute('select sum(clicks), count(*) - count(distinct window || product) from clicks').fetchone() == (700, 0)


EVERYWHERE = [minimal, primes, mandelbrot, enrich, ticks, tail, spool, live, dedup, visits, deltas, windows,
              triggers, sliding_windows]
# docs/streaming.md, "On other runners", says why not on Prism.
LOCAL_ONLY = [batch, batch_of_one, triggers_to_the_letter, panes_of_sliding_windows, accumulated_windows, session_windows, sqlite]
