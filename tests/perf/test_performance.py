#!/usr/bin/env python3
# tests/run: timeout=900 perf
"""Performance assertions, for a quiet machine: RUN_PERF_TESTS=1 make test-performance. TAP.

Bounds are ratios of runs made in turn, or CPU seconds, and the best of several rounds counts, so that noise does not decide.
"""
import importlib.machinery
import importlib.util
import os
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.dont_write_bytecode = True
loader = importlib.machinery.SourceFileLoader('bench_run', os.path.join(ROOT, 'bench', 'run'))
bench = importlib.util.module_from_spec(importlib.util.spec_from_loader('bench_run', loader))
loader.exec_module(bench)

REFERENCE = os.environ.get('BEAMC_BENCH_REFERENCE', os.path.join(os.path.dirname(ROOT), 'shared', 'bench', 'ref.c'))
EVENTS, ROUNDS = 1000000, 3


def best(runs, key):
    return min(r[key] for r in runs)


def measure(command, clean, rounds=ROUNDS):
    return [bench.measure(command, [clean]) for _ in range(rounds)]


def cpu_beside_the_hand_written_program():
    if not os.path.exists(REFERENCE):
        return 'SKIP no reference program: set BEAMC_BENCH_REFERENCE to a C source called as ref INPUT OUTPUT THREADS'
    program = bench.build_reference(REFERENCE)
    folder, _ = bench.samples(EVENTS)
    out = os.path.join(bench.WORK, 'out')
    ours, theirs = [], []
    for _ in range(ROUNDS):
        ours.append(bench.measure(bench.beamc(folder, 1, out), [out]))
        os.makedirs(os.path.join(bench.WORK, 'ref-out'), exist_ok=True)
        theirs.append(bench.measure([program, folder, os.path.join(bench.WORK, 'ref-out'), '1']))
    ratio = best(ours, 'cpu') / best(theirs, 'cpu')
    assert ratio <= 2.0, 'x%.2f of the CPU of the hand-written program, at most 2.0 wanted' % ratio
    return 'x%.2f' % ratio


def sqlite_beside_jsonl():
    folder, _ = bench.samples(EVENTS)
    out, db = os.path.join(bench.WORK, 'out'), os.path.join(bench.WORK, 'out.sqlite')
    jsonl = measure(bench.beamc(folder, 1, out), out)
    sqlite = measure(bench.beamc(folder, 1, db, 'sqlite'), db)
    ratio = best(sqlite, 'cpu') / best(jsonl, 'cpu')
    assert ratio <= 1.5, 'x%.2f of the JSONL run, at most 1.5 wanted' % ratio
    return 'x%.2f' % ratio


def memory_does_not_grow_with_events():
    out = os.path.join(bench.WORK, 'out')
    peaks = []
    for events in (EVENTS, EVENTS * 10):
        folder, _ = bench.samples(events, products=20)
        peaks.append(best(measure(bench.beamc(folder, 2, out), out), 'mib'))
    # Buffers of a fixed size fill up with more input; 90 % of 1.4 GB of events would show.
    assert peaks[1] - peaks[0] <= 16, '%.0f MiB for ten times the events, %.0f MiB before' % (peaks[1], peaks[0])
    return '%.0f and %.0f MiB' % tuple(peaks)


def a_small_job_is_done_at_once():
    folder, _ = bench.samples(10)
    out = os.path.join(bench.WORK, 'out')
    wall = best(measure(bench.beamc(folder, 1, out), out, 15), 'wall')
    assert wall < 0.030, '%.1f ms from exec to exit, less than 30 wanted' % (wall * 1e3)
    return '%.1f ms' % (wall * 1e3)


TESTS = [cpu_beside_the_hand_written_program, sqlite_beside_jsonl, memory_does_not_grow_with_events, a_small_job_is_done_at_once]


def main():
    os.makedirs(bench.WORK, exist_ok=True)
    print('1..%d' % len(TESTS))
    failed = 0
    for i, fn in enumerate(TESTS, 1):
        name = fn.__name__.replace('_', ' ')
        try:
            said = fn()
            print('ok %d - %s%s' % (i, name, ' # ' + said if said.startswith('SKIP') else ': ' + said), flush=True)
        except (AssertionError, SystemExit) as why:
            failed += 1
            print('not ok %d - %s\n# %s' % (i, name, why), flush=True)
    sys.exit(1 if failed else 0)


if __name__ == '__main__':
    main()
