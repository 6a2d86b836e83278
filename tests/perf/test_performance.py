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


def load(name):
    loader = importlib.machinery.SourceFileLoader(name.replace('-', '_'), os.path.join(ROOT, 'bench', name))
    module = importlib.util.module_from_spec(importlib.util.spec_from_loader(loader.name, loader))
    loader.exec_module(module)
    return module


streaming = load('run-streaming')
bench = streaming.run

REFERENCE = os.environ.get('BEAMC_BENCH_REFERENCE', os.path.join(os.path.dirname(ROOT), 'shared', 'bench', 'ref.c'))
EVENTS, ROUNDS = 1000000, 3


def best(runs, key):
    return min(r[key] for r in runs)


def measure(command, clean, rounds=ROUNDS):
    return [bench.measure(command, [clean] if clean else ()) for _ in range(rounds)]


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


def cpu_of_an_unbounded_source_beside_a_bounded_one():
    out = os.path.join(bench.WORK, 'live-out')
    job = [os.path.join(bench.BIN, 'beamc-run'), '--local', '--parallelism=1', '--log_aggregates=false',
           '--generate_events=%d' % EVENTS, '--output_jsonl=' + out]
    runs = {'bounded': [], 'unbounded': []}
    for _ in range(ROUNDS):
        runs['bounded'].append(bench.measure(job, [out]))
        runs['unbounded'].append(bench.measure(job + ['--streaming'], [out]))
    ratio = best(runs['unbounded'], 'cpu') / best(runs['bounded'], 'cpu')
    assert ratio <= 1.5, 'x%.2f of the bounded job, at most 1.5 wanted' % ratio
    return 'x%.2f' % ratio


def rows_come_soon_behind_the_end_of_their_window():
    said = []
    for sink, reader, name in (('sqlite', streaming.SqliteRows, 'live.sqlite'), ('jsonl', streaming.JsonlRows, 'live')):
        path = os.path.join(bench.WORK, name)
        command = [streaming.program('live'), '--local', '--rate=50000', '--events=500000', '--out_of_order_ms=10',
                   '--output_%s=%s' % (sink, path)]
        p99 = min(streaming.percentile(streaming.watch(command, reader(path), 0.010), 0.99) for _ in range(ROUNDS))
        assert p99 < 0.100, '%s: p99 %.0f ms, less than 100 wanted' % (sink, p99 * 1e3)
        said.append('%s %.0f ms' % (sink, p99 * 1e3))
    return ', '.join(said)


def stateful(kind, pairs, *more):
    return [streaming.program('stateful'), '--local', '--parallelism=1', '--state=' + kind, '--pairs=%d' % pairs,
            '--keys=100000', '--unbounded'] + list(more)


def stateful_elements_a_second_on_one_thread():
    said, pairs = [], 3000000
    for kind in ('value', 'bag', 'combining', 'timer'):
        rate = pairs / best(measure(stateful(kind, pairs), ()), 'cpu')
        assert rate >= 500000, '%s: %.0f/s of CPU, at least 500,000 wanted' % (kind, rate)
        said.append('%s %.1f M/s' % (kind, rate / 1e6))
    return ', '.join(said)


def stateful_elements_a_second_with_a_state_dir():
    pairs, state = 1000000, os.path.join(bench.WORK, 'state')
    rate = pairs / best(measure(stateful('value', pairs, '--state_dir=' + state), state), 'wall')
    assert rate >= 50000, '%.0f/s, at least 50,000 wanted' % rate
    return '%.0f/s' % rate


def a_job_with_a_gibibyte_of_state_starts_again_at_once():
    r = streaming.bench_restart(streaming.defaults(), os.path.join(bench.WORK, 'state'))
    assert r is not None and r['seconds'] < 1, 'not within a second: %s' % r
    return '%.2f s' % r['seconds']


def group_by_key_beside_sort():
    path, out = streaming.pair_lines(10000000, 1000000), os.path.join(bench.WORK, 'sorted.txt')
    os.environ['LC_ALL'] = 'C'
    theirs = measure(['sort', '-n', '--parallel=1', '-o', out, path], out, 1)
    ours = measure([streaming.program('groups'), '--local', '--parallelism=1', '--input=' + path], (), 1)
    ratio = best(ours, 'cpu') / best(theirs, 'cpu')
    assert ratio <= 3, 'x%.2f of sort -n, at most 3 wanted' % ratio
    return 'x%.2f' % ratio


def memory_of_sessions_grows_with_open_ones_only():
    peaks = []
    for pairs in (1000000, 10000000):
        peaks.append(best(measure([streaming.program('groups'), '--local', '--parallelism=1', '--pairs=%d' % pairs, '--keys=30000',
                                   '--session_pairs=10', '--pairs_per_ms=300', '--gap_ms=200', '--unbounded'], (), 1), 'mib'))
    assert peaks[1] <= peaks[0] * 1.5, '%.0f MiB for ten times the events, %.0f MiB before' % (peaks[1], peaks[0])
    return '%.0f and %.0f MiB' % tuple(peaks)


TESTS = [cpu_beside_the_hand_written_program, sqlite_beside_jsonl, memory_does_not_grow_with_events, a_small_job_is_done_at_once,
         cpu_of_an_unbounded_source_beside_a_bounded_one, rows_come_soon_behind_the_end_of_their_window,
         stateful_elements_a_second_on_one_thread, stateful_elements_a_second_with_a_state_dir,
         a_job_with_a_gibibyte_of_state_starts_again_at_once, group_by_key_beside_sort, memory_of_sessions_grows_with_open_ones_only]


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
