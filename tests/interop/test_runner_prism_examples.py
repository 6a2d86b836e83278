#!/usr/bin/env python3
# tests/run: timeout=600
"""The examples on Prism, unchanged: they print what they print here (tests/lib/example_cases.py)."""
import os
import sys

import lib

import runner_cases

sys.path.insert(0, os.path.join(lib.ROOT, 'tests', 'lib'))
import example_cases as cases  # noqa: E402

PEER = 'prism'


def on_prism(t, name, *args, check=True):
    where = t.tmp
    peer = t.shared_peer(PEER)
    program = [lib.program(name), '--runner=PrismRunner', '--job_endpoint=' + peer.endpoint, '--env_file=/dev/null']
    return t.run(['env', '-C', where] + program + list(args), check=check, timeout=60)


def same_as_here(t, check):
    check(lambda name, *args: on_prism(t, name, *args).stdout, t.tmp)


def test_minimal(t):
    same_as_here(t, cases.minimal)


def test_primes(t):
    same_as_here(t, cases.primes)


def test_mandelbrot(t):
    same_as_here(t, cases.mandelbrot)


def test_enrich(t):
    same_as_here(t, cases.enrich)


def test_ticks(t):
    same_as_here(t, cases.ticks)


def test_tail(t):
    same_as_here(t, cases.tail)


def test_spool(t):
    same_as_here(t, cases.spool)


def test_live(t):
    same_as_here(t, cases.live)


def test_dedup(t):
    same_as_here(t, cases.dedup)


def test_visits(t):
    same_as_here(t, cases.visits)


def test_deltas(t):
    same_as_here(t, cases.deltas)


def test_windows(t):
    same_as_here(t, cases.windows)


def test_triggers(t):
    same_as_here(t, cases.triggers)


def test_sliding_windows(t):
    same_as_here(t, cases.sliding_windows)


def test_no_case_is_left_out(t):
    lib.equal([check.__name__ for check in cases.EVERYWHERE if 'test_' + check.__name__ not in globals()], [])


def test_examples_as_plugins_of_a_stock_worker(t):
    """The same sources, built as shared objects, in one worker that knows nothing of them."""
    folder = os.path.dirname(lib.program('live'))
    plugins = ','.join(sorted(os.path.join(folder, f) for f in os.listdir(folder) if f.endswith('.so')))
    pool = runner_cases.Pool(t, lib.program('beamc-worker'), '--program=' + plugins)
    flags = ['--environment_type=EXTERNAL', '--environment_config=' + pool.endpoint]
    cases.live(lambda name, *args: on_prism(t, name, *args, *flags).stdout, t.tmp)
    # What a worker prints is in its own output.
    on_prism(t, 'dedup', *flags)
    assert any('sensor-1: b at 1970-01-01T00:15:00Z' in line for line in pool.lines), pool.lines


def test_sqlite_is_refused(t):
    result = on_prism(t, 'live', '--events=1000', '--sqlite=live.sqlite', check=False)
    assert result.code == 2 and 'the SQLite output is for the local runner only' in result.stderr, result
    assert not os.path.exists(os.path.join(t.tmp, 'live.sqlite'))


# What docs/streaming.md says that Prism cannot do: if it can one day, the page is to be changed.


def test_sessions_with_triggers_are_refused(t):
    result = on_prism(t, 'windows', '--windows=sessions', check=False)
    assert result.code == 1 and not result.timed_out, result
    assert 'stateful triggers with merging windows' in result.stderr, result.stderr
    assert result.stdout == '', result.stdout


if __name__ == '__main__':
    lib.main(globals(), timeout=120)
