#!/usr/bin/env python3
# tests/run: timeout=200
"""Inputs and outputs of a job with --state_dir, as its users meet them: what it finds when it is continued, and what it
says of inputs and outputs that somebody touched, of a full disk and of a folder that it may not write to. TAP."""
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
BUILD = os.path.join(ROOT, os.environ.get('BEAMC_BUILD', 'build/release'))
RUN = os.path.join(BUILD, 'bin', 'beamc-run')
TABLES = ('product_views_summary', 'sales_summary', 'inventory_summary', 'dead_letter')
LIVE = ['--streaming', '--generate_events=0', '--generate_rate=20000', '--state_dir=state', '--log_aggregates=false']
TESTS = []


def test(fn):
    TESTS.append(fn)
    return fn


def run(args, cwd, **kwargs):
    return subprocess.run([RUN, '--local'] + args, cwd=cwd, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=100, **kwargs)


def expect(done, code, *words):
    assert done.returncode == code, 'exit code %d, wanted %d\n%s' % (done.returncode, code, done.stderr[-1500:])
    for word in words:
        assert word in done.stderr, 'no %r in: %s' % (word, done.stderr[-1500:])
    if code != 0:
        assert len(done.stderr.strip().splitlines()) == 1, 'wanted one line, got:\n' + done.stderr


def is_there(path, size):
    return os.path.exists(path) and os.path.getsize(path) >= size


def killed_when(cwd, args, ready, sign=signal.SIGKILL):
    """Starts a job, and ends it once it is ready."""
    process = subprocess.Popen([RUN, '--local'] + args, cwd=cwd, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                               stderr=subprocess.PIPE, text=True)
    until = time.monotonic() + 60
    try:
        while not ready():
            assert process.poll() is None, process.stderr.read()
            assert time.monotonic() < until, 'it does not get ready'
            time.sleep(0.01)
    finally:
        process.send_signal(sign)
        process.communicate(timeout=60)
    return process.returncode


def live_jsonl(tmp, args=()):
    path = os.path.join(tmp, 'out', 'dead_letter.jsonl')
    killed_when(tmp, LIVE + ['--output_jsonl=out'] + list(args), lambda: is_there(path, 1))
    return path


def live_sqlite(tmp, args=()):
    path = os.path.join(tmp, 'out.db')

    def has_rows():
        if not os.path.exists(path):
            return False
        db = sqlite3.connect('file:%s?mode=ro' % path, uri=True)
        try:
            return db.execute('SELECT count(*) FROM dead_letter').fetchone()[0] > 0
        except sqlite3.Error:
            return False
        finally:
            db.close()
    killed_when(tmp, LIVE + ['--output_sqlite=out.db'] + list(args), has_rows)
    return path


@test
def standard_input_is_refused(tmp):
    expect(run(['--input_clicks=-', '--output_jsonl=out', '--state_dir=state'], tmp), 2, 'standard input (-)', 'write the lines to a file')
    os.mkfifo(os.path.join(tmp, 'pipe'))
    expect(run(['--input_clicks=pipe', '--output_jsonl=out', '--state_dir=state2'], tmp), 3, 'pipe is no regular file')


def write_clicks(path, count):
    with open(path, 'w') as f:
        for i in range(count):
            f.write('{"event_time": "2026-01-01T00:00:%02dZ", "product_id": "p%d"}\n' % (i % 60, i % 5))


@test
def files_are_read_on_where_they_were(tmp):
    write_clicks(os.path.join(tmp, 'in.jsonl'), 1500000)
    args = ['--input_clicks=in.jsonl', '--output_jsonl=out', '--state_dir=state']
    wal = os.path.join(tmp, 'state', 'state.beamc-wal')
    killed_when(tmp, args, lambda: is_there(wal, 20000))
    expect(run(args, tmp), 0)
    with open(os.path.join(tmp, 'out', 'product_views_summary.jsonl')) as f:
        rows = [json.loads(x) for x in f]
    assert sorted((r['product_id'], r['view_count']) for r in rows) == [('p%d' % i, 300000) for i in range(5)], rows


@test
def a_file_that_became_shorter_is_named(tmp):
    path = os.path.join(tmp, 'in.jsonl')
    write_clicks(path, 1000000)
    for i in range(10):  # much to read, of which little has been read at the first commit
        os.symlink('in.jsonl', os.path.join(tmp, 'in-%d.jsonl' % i))
    args = ['--input_clicks=in-*.jsonl', '--output_jsonl=out', '--state_dir=state', '--parallelism=1']
    killed_when(tmp, args, lambda: is_there(os.path.join(tmp, 'state', 'state.beamc-wal'), 20000))
    os.truncate(path, 1000)
    expect(run(args, tmp), 3, '.jsonl had', 'ends at byte 1000 now', 'do not change input files')
    os.unlink(path)
    expect(run(args, tmp), 3, '.jsonl')


@test
def a_finished_job_finds_its_tables(tmp):
    for option, path in (('--output_jsonl=out', 'out/dead_letter.jsonl'), ('--output_sqlite=out.db', 'out.db')):
        args = ['--generate_events=3000', '--state_dir=state' + path[3:4], option]
        expect(run(args, tmp), 0)
        with open(os.path.join(tmp, path), 'rb') as f:
            before = f.read()
        expect(run(args, tmp), 0, 'done before')
        with open(os.path.join(tmp, path), 'rb') as f:
            assert f.read() == before
        expect(run(args + ['--state_dir_reset'], tmp), 4, path.split('/')[0], 'add --overwrite')
        expect(run(args + ['--state_dir_reset', '--overwrite'], tmp), 0)


@test
def what_is_somebody_else_s_is_refused(tmp):
    os.mkdir(os.path.join(tmp, 'out'))
    for option, path in (('--output_jsonl=out', 'out/sales_summary.jsonl'), ('--output_sqlite=out.db', 'out.db')):
        with open(os.path.join(tmp, path), 'w') as f:
            f.write('dear')
        for more in ([], ['--streaming']):
            args = ['--generate_events=3000', '--state_dir=state-%s%d' % (path[3:4].replace('/', ''), len(more)), '--log_aggregates=false', option]
            expect(run(args + more, tmp), 4, path, 'exists: add --overwrite')
            with open(os.path.join(tmp, path)) as f:
                assert f.read() == 'dear'
    expect(run(args + more + ['--overwrite'], tmp), 0)
    expect(run(args + more, tmp), 0, 'done before')


@test
def an_output_that_was_removed_is_told(tmp):
    os.unlink(live_jsonl(tmp))
    expect(run(LIVE + ['--output_jsonl=out', '--overwrite'], tmp), 4, 'dead_letter.jsonl was removed while its job is in progress',
           '--state_dir_reset --overwrite')


@test
def an_output_that_was_cut_is_told(tmp):
    os.truncate(live_jsonl(tmp), 3)
    expect(run(LIVE + ['--output_jsonl=out'], tmp), 4, 'dead_letter.jsonl is shorter than what its job wrote')


@test
def a_sqlite_file_that_was_removed_is_told(tmp):
    path = live_sqlite(tmp)
    for end in ('', '-wal', '-shm'):
        if os.path.exists(path + end):
            os.unlink(path + end)
    expect(run(LIVE + ['--output_sqlite=out.db', '--overwrite'], tmp), 4, 'out.db was removed or replaced while its job is in progress',
           '--state_dir_reset --overwrite')
    assert not os.path.exists(path)
    live_sqlite(tmp, ['--state_dir_reset', '--overwrite'])


@test
def an_output_that_is_removed_meanwhile_is_told(tmp):
    path = os.path.join(tmp, 'out', 'dead_letter.jsonl')
    process = subprocess.Popen([RUN, '--local'] + LIVE + ['--output_jsonl=out'], cwd=tmp, stdin=subprocess.DEVNULL,
                               stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    until = time.monotonic() + 60
    while not is_there(path, 1):
        assert process.poll() is None and time.monotonic() < until
        time.sleep(0.01)
    os.unlink(path)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 4 and 'dead_letter.jsonl was removed' in err, err


@test
def a_full_disk_is_told_and_the_job_goes_on(tmp):
    for option in ('--output_jsonl=out', '--output_sqlite=out.db'):
        args = ['--streaming', '--generate_events=60000', '--state_dir=state' + option[9:10], '--log_aggregates=false', option]
        done = run(args, tmp, preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, 1 << 20)))
        expect(done, 4)
        assert 'ulimit -f' in done.stderr or 'it goes on from its last commit' in done.stderr, done.stderr
        expect(run(args, tmp), 0)
    db = sqlite3.connect(os.path.join(tmp, 'out.db'))
    for table in TABLES:
        with open(os.path.join(tmp, 'out', table + '.jsonl')) as f:
            lines = sum(1 for _ in f)
        assert lines == db.execute('SELECT count(*) FROM ' + table).fetchone()[0] > 0, table


@test
def folders_that_may_not_be_written_to_are_told(tmp):
    if os.getuid() == 0:
        os.chmod(tmp, 0o755)
        become = dict(user=65534, group=65534)
    else:
        become = {}
    os.mkdir(os.path.join(tmp, 'mine'))
    os.chmod(os.path.join(tmp, 'mine'), 0o555)
    os.mkdir(os.path.join(tmp, 'free'))
    os.chmod(os.path.join(tmp, 'free'), 0o777)
    sample = ['--generate_events=3000', '--log_aggregates=false']
    for args in (['--state_dir=mine/state', '--output_jsonl=free/out'], ['--state_dir=free/a', '--output_jsonl=mine'],
                 ['--state_dir=free/b', '--output_jsonl=mine/out'], ['--state_dir=free/c', '--output_sqlite=mine/out.db']):
        done = run(sample + args, tmp, **become)
        expect(done, 4, 'mine')
        assert 'write access' in done.stderr or 'that you may write to' in done.stderr, done.stderr
    assert os.listdir(os.path.join(tmp, 'mine')) == []


@test
def ctrl_c_and_on_again(tmp):
    args = ['--streaming', '--generate_events=400000', '--state_dir=state', '--output_jsonl=out', '--output_sqlite=out.db',
            '--log_aggregates=false']
    path = os.path.join(tmp, 'out', 'dead_letter.jsonl')
    assert killed_when(tmp, args, lambda: is_there(path, 1), signal.SIGINT) in (130, 0)
    expect(run(args, tmp), 0)
    expect(run(['--streaming', '--generate_events=400000', '--output_jsonl=whole', '--log_aggregates=false'], tmp), 0)
    for table in TABLES:
        with open(os.path.join(tmp, 'whole', table + '.jsonl')) as a, open(os.path.join(tmp, 'out', table + '.jsonl')) as b:
            assert sorted(a) == sorted(b), table


def main():
    chosen = [t for t in TESTS if not sys.argv[1:] or any(a in t.__name__ for a in sys.argv[1:])]
    print('1..%d' % len(chosen))
    failed = 0
    for i, fn in enumerate(chosen, 1):
        with tempfile.TemporaryDirectory() as tmp:
            try:
                fn(tmp)
                print('ok %d - %s' % (i, fn.__name__))
            except Exception as e:  # the other tests are worth running, too
                failed += 1
                print('not ok %d - %s' % (i, fn.__name__))
                for line in repr(e).split('\\n')[:30]:
                    print('# ' + line)
        sys.stdout.flush()
    sys.exit(failed > 0)


main()
