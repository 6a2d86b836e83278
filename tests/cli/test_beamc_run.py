#!/usr/bin/env python3
# tests/run: timeout=300 sanitizers
"""beamc-run as its users meet it: the sample, wrong options, bad inputs and outputs, Ctrl-C. TAP."""
import datetime
import json
import os
import resource
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
RUN = os.path.join(ROOT, os.environ.get('BEAMC_BUILD', 'build/release'), 'bin', 'beamc-run')
CLICK = '{"event_time": "2026-01-01T00:00:%02dZ", "product_id": "P%d"}\n'
TESTS = []


def test(fn):
    TESTS.append(fn)
    return fn


def run(args, cwd, env=None, **kwargs):
    environment = {k: v for k, v in os.environ.items() if not k.startswith('BEAMC_') or k == 'BEAMC_BUILD'}
    environment.update(env or {})
    return subprocess.run([RUN] + args, cwd=cwd, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, timeout=120, text=True, **kwargs)


def clicks(folder, count=100, name='clicks.jsonl'):
    path = os.path.join(folder, name)
    with open(path, 'w') as f:
        for i in range(count):
            f.write(CLICK % (i % 60, i % 7))
    return path


def one_line(text):
    lines = text.strip().splitlines()
    assert len(lines) == 1, 'wanted one line, got:\n%s' % text
    return lines[0]


def expect(done, code, *words):
    assert done.returncode == code, 'exit code %d, wanted %d\n%s%s' % (done.returncode, code, done.stdout[-500:], done.stderr[-1500:])
    for word in words:
        assert word in done.stderr, 'no %r in: %s' % (word, done.stderr[-1500:])


@test
def the_bundled_sample_goes_into_sqlite_and_says_so(tmp):
    done = run(['--local', '--generate_events=5000'], tmp)
    expect(done, 0)
    for word in ('5000 events', 'sample', 'product_views_summary', 'dead_letter', 'sqlite3 '):
        assert word in done.stdout, done.stdout
    db = sqlite3.connect(os.path.join(tmp, 'beamc-sample.sqlite'))
    views, = db.execute('SELECT SUM(view_count) FROM product_views_summary').fetchone()
    dead, = db.execute("SELECT COUNT(*) FROM dead_letter WHERE event_type = 'click'").fetchone()
    assert views + dead == 3500, (views, dead)
    db.close()
    expect(run(['--local', '--generate_events=500'], tmp), 0)  # the sample replaces its own file


@test
def equal_seeds_give_equal_bytes_on_one_thread(tmp):
    def files(name, seed):
        expect(run(['--local', '--generate_events=3000', '--generate_seed=%d' % seed, '--output_jsonl=' + name, '--parallelism=1'], tmp), 0)
        return {f: open(os.path.join(tmp, name, f), 'rb').read() for f in sorted(os.listdir(os.path.join(tmp, name)))}
    a, b, c = files('a', 1), files('b', 1), files('c', 2)
    assert sorted(a) == ['dead_letter.jsonl', 'inventory_summary.jsonl', 'product_views_summary.jsonl', 'sales_summary.jsonl'], sorted(a)
    assert a == b and a != c


@test
def a_glob_is_read_whole(tmp):
    clicks(tmp, 100, 'c-1.jsonl')
    clicks(tmp, 50, 'c-2.jsonl')
    expect(run(['--local', '--input_clicks=c-*.jsonl', '--output_jsonl=out'], tmp), 0)
    rows = [json.loads(x) for x in open(os.path.join(tmp, 'out', 'product_views_summary.jsonl'))]
    assert sum(r['view_count'] for r in rows) == 150
    assert open(os.path.join(tmp, 'out', 'sales_summary.jsonl')).read() == ''


@test
def standard_input_is_read(tmp):
    with open(clicks(tmp, 40)) as f:
        done = subprocess.run([RUN, '--local', '--input_clicks=-', '--output_jsonl=out'], cwd=tmp, stdin=f, capture_output=True, text=True, timeout=60)
    expect(done, 0)
    rows = [json.loads(x) for x in open(os.path.join(tmp, 'out', 'product_views_summary.jsonl'))]
    assert sum(r['view_count'] for r in rows) == 40


@test
def help_names_every_option_and_its_variable(tmp):
    done = run(['--help'], tmp)
    expect(done, 0)
    for word in ('--input_clicks', '--output_sqlite', '--parallelism', '--metrics_json', '--runner', 'VIEWS_WINDOW_SECONDS'):
        assert word in done.stdout, word


@test
def an_unknown_option_names_the_nearest(tmp):
    done = run(['--local', '--ouput_jsonl=x'], tmp)
    expect(done, 2, 'ouput_jsonl', 'output_jsonl')
    one_line(done.stderr)


@test
def a_bad_value_is_named(tmp):
    done = run(['--local', '--parallelism=many'], tmp)
    expect(done, 2, 'parallelism', 'many')
    one_line(done.stderr)
    expect(run(['--local', '--views_window_seconds=0'], tmp), 2, 'views_window_seconds')
    expect(run(['--local', '--overwrite=maybe'], tmp), 2, 'overwrite')


@test
def an_option_can_come_from_the_environment(tmp):
    path = clicks(tmp)
    expect(run(['--local', '--input_clicks=' + path, '--output_jsonl=out'], tmp, {'VIEWS_WINDOW_SECONDS': '3600'}), 0)
    row = json.loads(open(os.path.join(tmp, 'out', 'product_views_summary.jsonl')).readline())
    assert row['window_end'] == '2026-01-01T01:00:00Z', row
    expect(run(['--local'], tmp, {'VIEWS_WINDOW_SECONDS': 'x'}), 2, 'VIEWS_WINDOW_SECONDS')


@test
def an_input_without_an_output_is_refused(tmp):
    done = run(['--local', '--input_clicks=' + clicks(tmp)], tmp)
    expect(done, 2, '--output_jsonl')
    one_line(done.stderr)


@test
def a_missing_input_is_one_line(tmp):
    done = run(['--local', '--input_clicks=nowhere.jsonl', '--output_jsonl=out'], tmp)
    expect(done, 3, 'nowhere.jsonl')
    one_line(done.stderr)
    expect(run(['--local', '--input_clicks=no*.x', '--output_jsonl=out'], tmp), 3, 'no*.x')
    assert not os.path.exists(os.path.join(tmp, 'out', 'product_views_summary.jsonl'))


@test
def a_folder_as_input_is_refused(tmp):
    expect(run(['--local', '--input_clicks=' + tmp, '--output_jsonl=out'], tmp), 3, tmp)


@test
def an_output_that_exists_is_not_overwritten(tmp):
    path = clicks(tmp)
    for option in ('--output_jsonl=out', '--output_sqlite=out.sqlite'):
        expect(run(['--local', '--input_clicks=' + path, option], tmp), 0)
        done = run(['--local', '--input_clicks=' + path, option], tmp)
        expect(done, 4, '--overwrite')
        one_line(done.stderr)
        expect(run(['--local', '--input_clicks=' + path, option, '--overwrite'], tmp), 0)


@test
def an_unwritable_output_is_one_line(tmp):
    with open(os.path.join(tmp, 'file'), 'w'):
        pass
    path = clicks(tmp)
    for option in ('--output_jsonl=file/out', '--output_sqlite=file/out.sqlite', '--output_jsonl=file', '--output_sqlite=nowhere/x/out.sqlite'):
        done = run(['--local', '--input_clicks=' + path, option], tmp)
        expect(done, 4, option.split('=')[1].split('/')[0])
        one_line(done.stderr)


def small_files():
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (20000, 20000))


@test
def a_full_disk_leaves_no_half_written_table(tmp):
    path = clicks(tmp)
    with open(os.path.join(tmp, 'big.jsonl'), 'w') as f:
        for i in range(20000):
            f.write(CLICK % (i % 60, i))
    for option, name in (('--output_jsonl=out', 'out/product_views_summary.jsonl'), ('--output_sqlite=out.sqlite', 'out.sqlite')):
        done = run(['--local', '--input_clicks=big.jsonl', option], tmp, preexec_fn=small_files)
        expect(done, 4)
        one_line(done.stderr)
        assert not os.path.exists(os.path.join(tmp, name)), name
        expect(run(['--local', '--input_clicks=' + path, option], tmp), 0)  # what it left is in nobody's way


@test
def nothing_is_left_beside_the_tables(tmp):
    expect(run(['--local', '--generate_events=1000', '--output_jsonl=out', '--output_sqlite=db'], tmp), 0)
    assert sorted(os.listdir(tmp)) == ['db', 'out'], os.listdir(tmp)
    assert len(os.listdir(os.path.join(tmp, 'out'))) == 4, os.listdir(os.path.join(tmp, 'out'))


@test
def metrics_are_written(tmp):
    expect(run(['--local', '--generate_events=2000', '--output_jsonl=out', '--metrics_json=m.json'], tmp), 0)
    metrics = json.load(open(os.path.join(tmp, 'm.json')))
    counters = {(c['namespace'], c['name']): c['value'] for c in metrics['counters']}
    assert counters[('ecommerce_pipeline', 'click_received')] == 1400, counters
    rows = sum(1 for _ in open(os.path.join(tmp, 'out', 'product_views_summary.jsonl')))
    assert counters[('ecommerce_pipeline', 'views_rows_emitted')] == rows
    views = [d for d in metrics['distributions'] if d['name'] == 'views_per_window']
    assert views[0]['count'] == rows and views[0]['sum'] == counters[('ecommerce_pipeline', 'click_processed')], views
    assert all(set(c) == {'namespace', 'name', 'step', 'value'} for c in metrics['counters'])


@test
def what_is_for_the_local_runner_only(tmp):
    remote = ['--runner=PrismRunner', '--job_endpoint=localhost:1']
    for args in (['--output_sqlite=x.db'], ['--output_sqlite=x.db', '--streaming']):
        expect(run(remote + args, tmp), 2, 'the SQLite output is for the local runner only', '--output_jsonl')
    expect(run(remote + ['--input_clicks=-', '--output_jsonl=out'], tmp), 2, 'standard input (-) is for the local runner only')
    assert not os.path.exists(os.path.join(tmp, 'x.db'))


def streaming(tmp, *args):
    done = run(['--local', '--streaming', '--output_jsonl=out', '--overwrite', '--log_aggregates=false'] + list(args), tmp)
    expect(done, 0)
    with open(os.path.join(tmp, 'out', 'product_views_summary.jsonl')) as f:
        return done, [json.loads(x) for x in f]


@test
def a_streaming_sample_ends_with_a_summary(tmp):
    done, rows = streaming(tmp, '--generate_events=20000')
    assert done.stdout.startswith('20000 events in '), done.stdout
    assert '%12d  product_views_summary' % len(rows) in done.stdout, done.stdout
    assert 'Dead letters by error' in done.stdout and 'late' not in done.stdout, done.stdout


@test
def the_sample_is_as_the_options_say(tmp):
    done, rows = streaming(tmp, '--generate_events=20000', '--generate_invalid_per_million=0', '--generate_products=3',
                           '--generate_seconds=120', '--generate_out_of_order_ms=0')
    assert '%12d  dead_letter' % 0 in done.stdout, done.stdout
    assert len({r['product_id'] for r in rows}) <= 9 and len({r['window_start'] for r in rows}) <= 3, rows
    assert sum(r['view_count'] for r in rows) == 14000
    done, rows = streaming(tmp, '--generate_events=2000', '--generate_invalid_per_million=1000000')
    assert rows == [] and '%12d  dead_letter' % 2000 in done.stdout, done.stdout


@test
def a_live_sample_follows_the_clock(tmp):
    before = time.time()
    _, rows = streaming(tmp, '--generate_events=2000', '--generate_rate=4000', '--generate_event_time_now', '--views_window_seconds=1',
                        '--generate_out_of_order_ms=0')
    for r in rows:
        start = datetime.datetime.fromisoformat(r['window_start'].replace('Z', '+00:00')).timestamp()
        assert before - 2 <= start <= time.time(), (r, before)
    done = run(['--local', '--streaming', '--generate_events=2000', '--generate_event_time_now', '--output_jsonl=out2'], tmp)
    expect(done, 2, '--generate_event_time_now needs a rate', '--generate_rate=')


@test
def no_progress_line_in_a_pipe(tmp):
    done = run(['--local', '--generate_events=300000', '--output_jsonl=out'], tmp)
    expect(done, 0)
    assert done.stderr == '', done.stderr
    assert '\r' not in done.stdout


@test
def aggregates_are_logged_when_asked_for(tmp):
    done = run(['--local', '--input_clicks=' + clicks(tmp, 3), '--output_jsonl=out', '--log_aggregates=true'], tmp)
    expect(done, 0, 'product_views_summary', 'window_start')


@test
def ctrl_c_ends_with_130_and_no_tables(tmp):
    process = subprocess.Popen([RUN, '--local', '--generate_events=500000000', '--output_jsonl=out'], cwd=tmp, stdin=subprocess.DEVNULL,
                               stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    time.sleep(1)  # anywhere in the run will do
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=30)
    assert process.returncode == 130, (process.returncode, out, err)
    assert not os.path.exists(os.path.join(tmp, 'out', 'product_views_summary.jsonl'))


@test
def garbage_is_dead_letters(tmp):
    with open(os.path.join(tmp, 'garbage'), 'wb') as f:
        f.write(bytes((i * 7919 + i // 256) % 256 for i in range(200000)))
    expect(run(['--local', '--input_stock=garbage', '--output_jsonl=out'], tmp), 0)
    lines = [x[:-1] if x.endswith(b'\r') else x for x in open(os.path.join(tmp, 'garbage'), 'rb').read().split(b'\n')]
    dead = sum(1 for _ in open(os.path.join(tmp, 'out', 'dead_letter.jsonl')))
    assert dead == sum(1 for x in lines if x.strip(b' \t\n\v\f\r')), dead


def main():
    print('1..%d' % len(TESTS))
    failed = 0
    for i, fn in enumerate(TESTS, 1):
        name = fn.__name__.replace('_', ' ')
        try:
            with tempfile.TemporaryDirectory() as tmp:
                fn(tmp)
            print('ok %d - %s' % (i, name), flush=True)
        except Exception as why:  # the others still run
            failed += 1
            print('not ok %d - %s' % (i, name))
            print('\n'.join('# ' + x for x in ('%s: %s' % (type(why).__name__, why)).splitlines()), flush=True)
    sys.exit(1 if failed else 0)


if __name__ == '__main__':
    main()
