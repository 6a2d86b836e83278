#!/usr/bin/env python3
# tests/run: sanitizers
"""The examples do what they say. TAP."""
import json
import os
import re
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections import Counter

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(ROOT, 'tests', 'lib'))
import example_cases as cases  # noqa: E402

EXAMPLES = os.path.join(ROOT, os.environ.get('BEAMC_BUILD', 'build/release'), 'examples')
TESTS = []


def test(fn):
    TESTS.append(fn)
    return fn


def run(name, *args, cwd=None):
    return subprocess.run([os.path.join(EXAMPLES, name)] + list(args), cwd=cwd, capture_output=True, text=True, timeout=60)


def started(name, *args, cwd):
    """An example that runs on, as soon as Ctrl-C means something to it."""
    job = subprocess.Popen([os.path.join(EXAMPLES, name)] + list(args), cwd=cwd, text=True, stdout=subprocess.PIPE,
                           stderr=subprocess.PIPE)
    for _ in range(1000):
        with open('/proc/%d/status' % job.pid, encoding='utf-8') as status:
            caught = re.search(r'^SigCgt:\s*(\w+)', status.read(), re.M)
        if caught is None or int(caught.group(1), 16) >> (signal.SIGINT - 1) & 1:
            return job
        time.sleep(0.01)
    job.kill()
    raise AssertionError('%s does not catch SIGINT' % name)


def case(check):
    """A case of example_cases, on the local runner."""
    def with_folder(tmp):
        def output(name, *args):
            done = run(name, *args, cwd=tmp)
            assert done.returncode == 0, (done.returncode, done.stderr)
            # Of some triggers the builder says that they finish.
            assert re.sub(r'^\S+ WARN Window: the trigger may finish.*\n', '', done.stderr) == '', done.stderr
            return done.stdout
        check(output, tmp)
    with_folder.__name__ = check.__name__
    return with_folder


TESTS.extend(case(check) for check in cases.EVERYWHERE + cases.LOCAL_ONLY)


@test
def every_example_is_run(tmp):
    with open(cases.__file__, encoding='utf-8') as a, open(__file__, encoding='utf-8') as b:
        text = a.read() + b.read()
    names = [os.path.splitext(x)[0] for x in os.listdir(os.path.join(ROOT, 'examples')) if x.endswith('.c')]
    left_out = [name for name in names if "run('%s'" % name not in text]
    assert names and not left_out, left_out


@test
def examples_refuse_what_their_tables_forbid(tmp):
    for args in (['minimal', '--upto=1001'], ['primes', '--below=-1'], ['mandelbrot', '--width=1'], ['ticks', '--every_ms=0'],
                 ['tail', '--idle_ms=x'], ['spool', '--idle_ms=-1'], ['batch', '--batch=0'], ['dedup', '--minutes=-1'],
                 ['visits', '--gap=0'], ['windows', '--windows=round'], ['windows', '--trigger=hair'], ['enrich', '--rate=0'], ['live', '--window_ms=0']):
        done = run(*args, cwd=tmp)
        option = args[1].split('=')[0].strip('-')
        assert done.returncode == 2 and option in done.stderr and done.stdout == '', (args, done)
        assert len(done.stderr.splitlines()) == 1, (args, done.stderr)


@test
def examples_name_the_option_that_was_meant(tmp):
    for name, wrong, meant in (('deltas', '--paralelism=1', 'parallelism'),
                               ('primes', '--bellow=3', 'below'), ('tail', '--inputs=x', 'input'), ('live', '--event=3', 'events')):
        done = run(name, wrong, cwd=tmp)
        assert done.returncode == 2 and '--' + meant in done.stderr, (name, done)


@test
def inputs_that_are_not_there(tmp):
    for args in (['tail', '--input=missing.log'], ['spool', '--spool=missing']):
        done = run(*args, cwd=tmp)
        assert done.returncode == 3 and 'missing' in done.stderr, (args, done)


@test
def output_that_is_there_is_not_touched(tmp):
    assert run('live', '--events=100', cwd=tmp).returncode == 0
    table = os.path.join(tmp, 'live', 'clicks.jsonl')
    before = open(table, encoding='utf-8').read()
    done = run('live', '--events=100', cwd=tmp)
    assert done.returncode == 4 and '--overwrite' in done.stderr, done
    assert open(table, encoding='utf-8').read() == before
    assert run('live', '--events=10', '--overwrite', cwd=tmp).returncode == 0
    rows = [json.loads(line) for line in open(table, encoding='utf-8')]
    assert sum(row['clicks'] for row in rows) == 7, rows


@test
def ctrl_c_drains_what_has_no_end(tmp):
    """All clicks that were made are counted, in windows that were still open too."""
    job = started('live', '--events=0', '--window_ms=3600000', cwd=tmp)
    try:
        time.sleep(1)  # of events
        job.send_signal(signal.SIGINT)
        _, err = job.communicate(timeout=30)
    finally:
        job.kill()
    rows = [json.loads(line) for line in open(os.path.join(tmp, 'live', 'clicks.jsonl'), encoding='utf-8')]
    assert job.returncode == 0, (job.returncode, err)
    assert sum(row['clicks'] for row in rows) > 10, rows


@test
def what_is_stopped_or_killed_goes_on_where_it_was(tmp):
    """live with --state_dir: every click in one row, each row once, in both sinks."""
    for sink in ('--output=out', '--sqlite=out.sqlite'):
        flags = ['--events=3000', '--state_dir=state-' + sink[2:5], sink]
        for how, code in ((signal.SIGINT, 130), (signal.SIGKILL, -signal.SIGKILL)):
            job = started('live', *flags, cwd=tmp)
            try:
                time.sleep(0.8)
                job.send_signal(how)
                _, err = job.communicate(timeout=30)
            finally:
                job.kill()
            assert job.returncode == code, (sink, job.returncode, err)
        done = run('live', *flags, cwd=tmp)
        assert done.returncode == 0, (sink, done)
        if sink == '--output=out':
            with open(os.path.join(tmp, 'out', 'clicks.jsonl'), encoding='utf-8') as table:
                rows = [(r['clicks'], r['window'], r['product']) for r in map(json.loads, table)]
        else:
            with sqlite3.connect(os.path.join(tmp, 'out.sqlite')) as db:
                rows = db.execute('select clicks, window, product from clicks').fetchall()
        assert sum(row[0] for row in rows) == 2100, (sink, rows)
        assert len(set(row[1:] for row in rows)) == len(rows), (sink, rows)
        again = run('live', *flags, cwd=tmp)
        assert again.returncode == 0 and 'done before' in again.stderr + again.stdout, (sink, again)


@test
def a_drain_finishes_what_is_there(tmp):
    """tail shortens its restriction, which has no end, to what the file has now."""
    with open(os.path.join(tmp, 'app.log'), 'w', encoding='utf-8') as log:
        log.write('2026-01-01T00:00:01Z INFO a\n' * 100000)
    job = started('tail', '--idle_ms=0', cwd=tmp)
    try:
        job.send_signal(signal.SIGINT)
        out, err = job.communicate(timeout=30)
    finally:
        job.kill()
    assert job.returncode == 0 and 'draining' in err, (job.returncode, err)
    assert out == 'INFO: 100000 in [2026-01-01T00:00:00Z, 2026-01-01T00:01:00Z)\n', out


@test
def tail_leaves_out_what_is_too_late(tmp):
    with open(os.path.join(tmp, 'app.log'), 'w', encoding='utf-8') as log:
        log.write('2026-01-01T00:00:30Z INFO a\n2026-01-01T00:00:29.500Z INFO b\n2026-01-01T00:00:28Z INFO c\n')
    done = run('tail', '--idle_ms=1', cwd=tmp)
    assert done.returncode == 0, done
    assert done.stdout == 'INFO: 2 in [2026-01-01T00:00:00Z, 2026-01-01T00:01:00Z)\n', done.stdout
    assert 'left out' in done.stderr and 'INFO c' in done.stderr, done.stderr


@test
def streaming_test_passes_in_no_time(tmp):
    begun = time.monotonic()
    done = run('streaming_test')
    assert done.returncode == 0, (done.stdout, done.stderr)
    assert [line[:5] for line in done.stdout.splitlines()] == ['ok - '] * 3, done.stdout
    assert time.monotonic() - begun < 10, 'hours were waited for'


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
