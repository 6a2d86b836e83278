#!/usr/bin/env python3
# tests/run: timeout=300
"""Unbounded jobs on the local runner as their users meet them: Ctrl-C drains, twice ends, memory stays flat under
back-pressure, an idle job takes no CPU. TAP."""
import os
import signal
import subprocess
import sys
import tempfile
import time

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BUILD = os.path.join(ROOT, os.environ.get('BEAMC_BUILD', 'build/release'))
ENDLESS = os.path.join(BUILD, 'tests/streaming/programs/endless')
TESTS = []


def test(fn):
    TESTS.append(fn)
    return fn


class Job:
    """A running job; .lines come from its standard output."""

    def __init__(self, folder, *args, program=ENDLESS):
        self.errors = open(os.path.join(folder, 'stderr'), 'w+')
        self.process = subprocess.Popen([program] + list(args), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                        stderr=self.errors, text=True, cwd=folder)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.stdout.close()
        self.process.wait()
        self.errors.close()

    def read(self, count):
        """The next lines."""
        lines = [self.process.stdout.readline() for _ in range(count)]
        assert all(lines), 'it ended early: ' + self.stderr()
        return lines

    def signal(self, number=signal.SIGINT):
        self.process.send_signal(number)

    def end(self, timeout=30):
        """(exit code, the rest of standard output)"""
        out = self.process.stdout.read()
        return self.process.wait(timeout), out

    def stderr(self):
        self.errors.seek(0)
        return self.errors.read()

    def status(self, key):
        with open('/proc/%d/status' % self.process.pid) as file:
            return next(int(line.split()[1]) for line in file if line.startswith(key + ':'))

    def cpu(self):
        with open('/proc/%d/stat' % self.process.pid) as file:
            fields = file.read().rsplit(')', 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf('SC_CLK_TCK')


def check_numbers(lines, least):
    """0 .. n-1, each once, and the count at the end."""
    assert lines[-1].startswith('taken: '), lines[-3:]
    numbers = sorted(int(line) for line in lines[:-1])
    assert numbers == list(range(len(numbers))), 'not each number once: %s ...' % numbers[:20]
    assert len(numbers) >= least and int(lines[-1].split()[1]) == len(numbers), (len(numbers), lines[-1])


def drained(tmp, number, *args):
    with Job(tmp, '--source=loop', *args) as job:
        lines = job.read(50)
        job.signal(number)
        code, rest = job.end()
        assert code == 0, (code, job.stderr())
        check_numbers(lines + rest.splitlines(), 50)
        assert 'draining' in job.stderr() and 'Ctrl-C' in job.stderr(), job.stderr()


@test
def rows_of_a_process_that_never_returns_come_out_and_ctrl_c_drains(tmp):
    drained(tmp, signal.SIGINT, '--max_bundle_ms=20')


@test
def sigterm_drains_too_on_one_thread_and_with_state(tmp):
    drained(tmp, signal.SIGTERM, '--parallelism=1', '--stateful')


@test
def with_a_state_dir_it_drains_when_asked_to(tmp):
    drained(tmp, signal.SIGINT, '--state_dir=' + os.path.join(tmp, 'state'), '--drain')


@test
def with_a_state_dir_it_stops_at_a_commit_and_goes_on_there(tmp):
    state = '--state_dir=' + os.path.join(tmp, 'state')
    lines = []
    for _ in range(3):
        with Job(tmp, '--source=loop', state) as job:
            lines += job.read(100)
            job.signal()
            code, rest = job.end()
            assert code == 130 and 'commit' in job.stderr(), (code, job.stderr())
            lines += rest.splitlines()
    with Job(tmp, '--source=loop', state, '--drain') as job:
        lines += job.read(10)
        job.signal()
        code, rest = job.end()
        assert code == 0, (code, job.stderr())
        lines += rest.splitlines()
    check_numbers(lines, 310)


@test
def a_second_ctrl_c_ends_it_at_once(tmp):
    with Job(tmp, '--source=stubborn') as job:
        job.read(1)
        time.sleep(0.5)
        job.signal()
        while 'draining' not in job.stderr():
            assert job.process.poll() is None
            time.sleep(0.01)
        began = time.monotonic()
        while job.process.poll() is None and time.monotonic() - began < 5:
            job.signal()  # one right behind the first may be the same request
            time.sleep(0.05)
        code, _ = job.end()
        assert code == 130 and time.monotonic() - began < 2, code


@test
def a_bounded_job_is_cancelled(tmp):
    with Job(tmp, '--source=bounded', '--parallelism=2') as job:
        time.sleep(0.5)
        job.signal()
        code, _ = job.end(timeout=5)
        assert code == 130 and 'cancelled' in job.stderr(), (code, job.stderr())


def flat(tmp, *args):
    """Peak memory is about the same after ten times the time."""
    with Job(tmp, '--source=fast', '--sink_us=300', '--quiet', '--parallelism=3', *args) as job:
        time.sleep(0.8)
        early = job.status('VmHWM')
        time.sleep(7.2)
        late = job.status('VmHWM')
        job.signal()
        code, out = job.end()
        assert code == 0, (code, job.stderr())
        assert int(out.split()[1]) > 5000, out
        assert late < early * 1.5 + 32 * 1024 and late < 300 * 1024, '%d KiB, then %d KiB' % (early, late)


@test
def a_fast_source_and_a_slow_sink_keep_memory_flat(tmp):
    flat(tmp)


@test
def a_slow_sink_with_state_does_too(tmp):
    flat(tmp, '--stateful')


@test
def and_with_a_state_dir(tmp):
    flat(tmp, '--state_dir=' + os.path.join(tmp, 'state'), '--drain')


@test
def an_idle_job_takes_no_cpu(tmp):
    for threads in (1, 4):
        with Job(tmp, '--source=idle', '--parallelism=%d' % threads) as job:
            job.read(2)
            began, before = time.monotonic(), job.cpu()
            job.read(3)
            used, took = job.cpu() - before, time.monotonic() - began
            assert 2.5 < took < 3.5, 'three seconds took %.2f s' % took
            assert used / took < 0.02, '%.0f ms CPU a second on %d threads' % (1000 * used / took, threads)
            job.signal()
            code, _ = job.end(timeout=3)
            assert code == 0, (code, job.stderr())


def main():
    wanted = sys.argv[1:]
    tests = [t for t in TESTS if not wanted or any(w in t.__name__ for w in wanted)]
    print('1..%d' % len(tests))
    failed = 0
    for number, fn in enumerate(tests, 1):
        with tempfile.TemporaryDirectory(prefix='beamc-running-') as tmp:
            try:
                fn(tmp)
                print('ok %d - %s' % (number, fn.__name__))
            except Exception as e:  # the report is the point
                failed += 1
                print('not ok %d - %s' % (number, fn.__name__))
                print('# ' + str(e).replace('\n', '\n# ')[:2000])
        sys.stdout.flush()
    sys.exit(failed > 0)


if __name__ == '__main__':
    main()
