#!/usr/bin/env python3
# tests/run: timeout=300 sanitizers
"""--state_dir as its users meet it: a job that is killed goes on where it was, and counts what it would have counted;
what the folder says of other pipelines, other processes, damage and a lack of room. TAP."""
import json
import os
import random
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import time

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BUILD = os.path.join(ROOT, os.environ.get('BEAMC_BUILD', 'build/release'))
KEEP = os.path.join(BUILD, 'tests', 'durable', 'programs', 'keep')
SLOW = 8 if os.environ.get('BEAMC_SANITIZER') else 1
TESTS = []


def test(fn):
    TESTS.append(fn)
    return fn


def start(args, cwd, **kwargs):
    return subprocess.Popen([KEEP] + args, cwd=cwd, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                            stderr=subprocess.PIPE, text=True, **kwargs)


def run(args, cwd, **kwargs):
    process = start(args, cwd, **kwargs)
    process.out, process.err = process.communicate(timeout=200)
    return process


def expect(done, code, *words):
    assert done.returncode == code, 'exit code %d, wanted %d\n%s%s' % (done.returncode, code, done.out[-500:], done.err[-1500:])
    for word in words:
        assert word in done.err, 'no %r in: %s' % (word, done.err[-1500:])


def one_line(done):
    assert len(done.err.strip().splitlines()) == 1, 'wanted one line, got:\n' + done.err


def counters(path):
    with open(path) as f:
        return {c['step'] + ' ' + c['name']: c['value'] for c in json.load(f)['counters']}


def state_of(tmp):
    with open(os.path.join(tmp, 'state', 'state.beamc'), 'rb') as f:
        return f.read()


def reference(tmp, elements):
    expect(run(['--elements=%d' % elements, '--metrics_json=reference.json'], tmp), 0)
    counted = counters(os.path.join(tmp, 'reference.json'))
    assert counted['State flushed'] == elements and counted['State sum'] == elements * (elements - 1) // 2, counted
    return counted


def killed_and_continued(tmp, seed, elements, threads):
    """Kills the job at random instants until it ends by itself; how often it was killed."""
    rng, kills = random.Random(seed), 0
    args = ['--elements=%d' % elements, '--state_dir=state', '--metrics_json=counted.json', '--parallelism=%d' % threads]
    while True:
        process = start(args, tmp)
        try:
            # The time of a run without a kill is a multiple of this: it could not end if it began anew each time.
            process.out, process.err = process.communicate(timeout=rng.uniform(0.005, 0.3) * SLOW)
        except subprocess.TimeoutExpired:
            process.kill()
            process.communicate()
            kills += 1
            assert kills < 400, 'no progress'
            continue
        expect(process, 0)
        return kills


@test
def a_job_that_is_killed_counts_what_it_would_have_counted(tmp):
    elements = 700000
    wanted = reference(tmp, elements)
    kills = 0
    for seed, threads in enumerate((1, 2, 4)):
        shutil.rmtree(os.path.join(tmp, 'state'), ignore_errors=True)
        kills += killed_and_continued(tmp, seed, elements, threads)
        got = counters(os.path.join(tmp, 'counted.json'))
        assert got == wanted, 'seed %d: %s' % (seed, {k: (wanted.get(k), got.get(k)) for k in wanted if wanted.get(k) != got.get(k)})
    assert kills > 5, 'it was killed %d times only' % kills


@test
def a_finished_job_is_not_run_again(tmp):
    wanted = reference(tmp, 20000)
    args = ['--elements=20000', '--state_dir=state', '--metrics_json=counted.json']
    expect(run(args, tmp), 0)
    os.unlink(os.path.join(tmp, 'counted.json'))
    before = state_of(tmp)
    again = run(args, tmp)
    expect(again, 0, 'done before', '--state_dir_reset')
    one_line(again)
    assert counters(os.path.join(tmp, 'counted.json')) == wanted
    assert state_of(tmp) == before
    expect(run(args + ['--state_dir_reset'], tmp), 0)
    assert counters(os.path.join(tmp, 'counted.json')) == wanted


@test
def ctrl_c_stops_at_a_commit_and_fires_nothing(tmp):
    elements = 3000000
    args = ['--elements=%d' % elements, '--state_dir=state', '--metrics_json=counted.json']
    process = start(args, tmp)
    wait_for_state(tmp, process)
    process.send_signal(signal.SIGINT)
    process.out, process.err = process.communicate(timeout=60)
    expect(process, 130, '--state_dir')
    assert not os.path.exists(os.path.join(tmp, 'counted.json'))
    expect(run(args, tmp), 0)
    assert counters(os.path.join(tmp, 'counted.json')) == reference(tmp, elements)


def wait_for_state(tmp, process):
    """Until something was committed."""
    wal = os.path.join(tmp, 'state', 'state.beamc-wal')
    until = time.monotonic() + 60
    while time.monotonic() < until and process.poll() is None:
        if os.path.exists(wal) and os.path.getsize(wal) > 20000:
            return
        time.sleep(0.01)
    raise AssertionError('nothing was committed: %s' % process.poll())


@test
def another_process_is_kept_out(tmp):
    process = start(['--elements=100000000', '--state_dir=state'], tmp)
    try:
        wait_for_state(tmp, process)
        second = run(['--elements=100000000', '--state_dir=state'], tmp)
        expect(second, 2, 'in use by process %d' % process.pid)
        one_line(second)
    finally:
        process.kill()
        process.communicate()


@test
def another_pipeline_is_told_by_its_step(tmp):
    expect(run(['--elements=1000', '--state_dir=state'], tmp), 0)
    before = state_of(tmp)
    other = run(['--elements=1000', '--state_dir=state', '--other'], tmp)
    expect(other, 2, '"State"', 'function, coder or windowing', '--state_dir_reset')
    one_line(other)
    assert state_of(tmp) == before


@test
def a_damaged_state_is_one_line_and_left_alone(tmp):
    process = start(['--elements=100000000', '--state_dir=state'], tmp)
    wait_for_state(tmp, process)
    process.kill()
    process.communicate()
    shutil.copytree(os.path.join(tmp, 'state'), os.path.join(tmp, 'good'))
    rng = random.Random(1)
    path = os.path.join(tmp, 'state', 'state.beamc')
    told = 0
    for damage in ('cut', 'empty', 'zeros', 'text', 'flip', 'flip', 'flip'):
        shutil.rmtree(os.path.join(tmp, 'state'))
        shutil.copytree(os.path.join(tmp, 'good'), os.path.join(tmp, 'state'))
        for extra in ('-wal', '-shm'):  # damage what is left
            if damage != 'flip' and os.path.exists(path + extra):
                os.unlink(path + extra)
        data = bytearray(open(path, 'rb').read())
        if damage == 'cut':
            data = data[:len(data) // 2]
        elif damage == 'empty':
            data = b''
        elif damage == 'zeros':
            data = bytes(len(data))
        elif damage == 'text':
            data = b'not a state file\n' * 1000
        else:
            data[rng.randrange(100)] ^= 0x55
        open(path, 'wb').write(data)
        done = run(['--elements=1000', '--state_dir=state'], tmp) if damage != 'flip' else None
        if done is not None:
            expect(done, 4, 'state.beamc')
            one_line(done)
            assert open(path, 'rb').read() == bytes(data), damage + ': it was touched'
            told += 1
    assert told == 4


@test
def a_folder_with_other_things_is_refused(tmp):
    os.mkdir(os.path.join(tmp, 'mine'))
    open(os.path.join(tmp, 'mine', 'letter.txt'), 'w').write('dear')
    done = run(['--elements=1000', '--state_dir=mine'], tmp)
    expect(done, 2, 'letter.txt', 'empty folder')
    one_line(done)
    assert os.listdir(os.path.join(tmp, 'mine')) == ['letter.txt']
    open(os.path.join(tmp, 'file'), 'w').close()
    expect(run(['--elements=1000', '--state_dir=file'], tmp), 4, '--state_dir=file')
    expect(run(['--elements=1000', '--state_dir=file/below'], tmp), 4, '--state_dir=file/below')


@test
def no_room_is_told_and_the_job_goes_on_when_there_is(tmp):
    wanted = reference(tmp, 300000)
    args = ['--elements=300000', '--state_dir=state', '--metrics_json=counted.json']

    def little_room():
        resource.setrlimit(resource.RLIMIT_FSIZE, (60000, 60000))
    done = run(args, tmp, preexec_fn=little_room)
    expect(done, 4, 'state.beamc', 'goes on from its last commit')
    one_line(done)
    expect(run(args, tmp), 0)
    assert counters(os.path.join(tmp, 'counted.json')) == wanted


@test
def it_is_for_the_local_runner_only(tmp):
    done = run(['--state_dir=state', '--runner=PortableRunner', '--job_endpoint=localhost:1'], tmp)
    expect(done, 2, '--state_dir is for the local runner', '--runner=local')
    assert not os.path.exists(os.path.join(tmp, 'state'))


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
                for line in str(e).splitlines()[:30]:
                    print('# ' + line)
        sys.stdout.flush()
    sys.exit(failed > 0)


main()
