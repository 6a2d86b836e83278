#!/usr/bin/env python3
"""make soak: the e-commerce job from the unbounded generator, for long, with --state_dir; ends with a plain verdict.

  tests/soak/soak.py [--build=DIR] [--seconds=N] [--rate=N] [--parallelism=N] [--keep=DIR]

Looks now and then at memory, open files, the state folder, CPU, and at how far behind the clock the newest rows are. The
outputs grow, so they are not looked at. At the end the job is stopped at a commit, started again and drained, and the
views in its rows are counted against the events that it says were valid. Exit code 0: all is flat and nothing is
missing; 1: it is not, and why.
"""
import argparse
import calendar
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
TABLE = 'product_views_summary.jsonl'
BASE_S = calendar.timegm((2026, 1, 1, 0, 0, 0))  # event time of the generator's first event
MIB = 1 << 20


class Job:
    def __init__(self, options, folder, drain=False):
        self.folder = folder
        self.errors = open(os.path.join(folder, 'stderr'), 'a+')
        seconds = 10 if options.seconds >= 300 else 1
        command = [os.path.join(ROOT, options.build, 'bin', 'beamc-run'), '--local', '--streaming', '--generate_events=0',
                   '--generate_rate=%d' % options.rate, '--generate_out_of_order_ms=500',
                   '--views_window_seconds=%d' % seconds, '--sales_window_seconds=%d' % seconds,
                   '--stock_window_seconds=%d' % seconds, '--log_aggregates=false', '--log_level=warn',
                   '--output_jsonl=' + os.path.join(folder, 'out'), '--state_dir=' + os.path.join(folder, 'state'),
                   '--metrics_json=' + os.path.join(folder, 'metrics.json')]
        command += ['--parallelism=%d' % options.parallelism] if options.parallelism else []
        command += ['--drain'] if drain else []
        self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=self.errors)

    def end(self, timeout):
        self.process.send_signal(signal.SIGINT)
        try:
            return self.process.wait(timeout)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            return 'none: it was still running %d s after Ctrl-C' % timeout
        finally:
            self.errors.close()

    def rss(self):
        with open('/proc/%d/status' % self.process.pid) as file:
            return next(int(line.split()[1]) for line in file if line.startswith('VmRSS:')) / 1024

    def cpu(self):
        with open('/proc/%d/stat' % self.process.pid) as file:
            fields = file.read().rsplit(')', 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf('SC_CLK_TCK')

    def files(self):
        return len(os.listdir('/proc/%d/fd' % self.process.pid))

    def state(self):
        folder = os.path.join(self.folder, 'state')
        return sum(os.path.getsize(os.path.join(folder, name)) for name in os.listdir(folder)) / MIB

    def newest(self):
        """Event time, in seconds since the first event, up to which there are rows; None before the first."""
        try:
            with open(os.path.join(self.folder, 'out', TABLE), 'rb') as file:
                file.seek(max(0, os.path.getsize(file.name) - 4096))
                line = file.read().split(b'\n')[-2]
            end = json.loads(line)['window_end']
            return calendar.timegm(time.strptime(end[:19], '%Y-%m-%dT%H:%M:%S')) - BASE_S
        except (OSError, IndexError, ValueError):
            return None


def look(job, began):
    at = time.monotonic() - began
    newest = job.newest()
    return {'at': at, 'rss': job.rss(), 'cpu': job.cpu(), 'files': job.files(), 'state': job.state(),
            'lag': None if newest is None else at - newest}


def slope(samples, key):
    """Least squares, a second."""
    points = [(s['at'], s[key]) for s in samples if s[key] is not None]
    mean_x, mean_y = (sum(p[k] for p in points) / len(points) for k in (0, 1))
    spread = sum((x - mean_x) ** 2 for x, _ in points)
    return sum((x - mean_x) * (y - mean_y) for x, y in points) / spread if spread else 0


def mean(samples, key):
    return sum(s[key] for s in samples) / len(samples)


def flat(samples, key, unit, least, share, faults):
    """Grows by no more than `share` of itself, or by `least`, from the first sample to the last."""
    growth = slope(samples, key) * (samples[-1]['at'] - samples[0]['at'])
    print('%-12s %8.1f %s on average, %+.1f over %.0f s' % (key, mean(samples, key), unit, growth,
                                                           samples[-1]['at'] - samples[0]['at']))
    if growth > max(least, share * mean(samples, key)):
        faults.append('%s grows: %+.1f %s' % (key, growth, unit))


def judge(samples, options):
    faults = []
    warm = [s for s in samples if s['at'] > min(60, options.seconds / 3)]
    flat(warm, 'rss', 'MiB', 24, 0.1, faults)
    flat(warm, 'state', 'MiB', 24, 0.1, faults)
    flat(warm, 'files', '', 8, 0, faults)
    print('%-12s %8.2f cores' % ('cpu', (warm[-1]['cpu'] - warm[0]['cpu']) / (warm[-1]['at'] - warm[0]['at'])))
    lags = [s['lag'] for s in warm if s['lag'] is not None]
    if len(lags) < len(warm) / 2:
        faults.append('there were no rows for most of the time')
        return faults
    print('%-12s %8.1f s at most, %+.2f s over all' % ('lag', max(lags), slope(warm, 'lag') * (warm[-1]['at'] - warm[0]['at'])))
    window = 10 if options.seconds >= 300 else 1
    if max(lags) > 2 * window + 5:
        faults.append('rows are %.1f s behind windows of %d s' % (max(lags), window))
    return faults


def count(folder, options, ran):
    """Valid events are counted once each, and there are as many as the rate says."""
    with open(os.path.join(folder, 'metrics.json')) as file:
        counters = {c['name']: c['value'] for c in json.load(file)['counters'] if c['namespace'] == 'ecommerce_pipeline'}
    views = 0
    with open(os.path.join(folder, 'out', TABLE)) as rows:
        for row in rows:
            views += json.loads(row)['view_count']
    received = sum(counters[kind + '_received'] for kind in ('click', 'transaction', 'stock'))
    print('%-12s %8d events, %.0f a second; %d valid clicks, %d views in rows' % (
        'counted', received, received / ran, counters['click_processed'], views))
    faults = []
    if views != counters['click_processed']:
        faults.append('%d views in rows of %d valid clicks' % (views, counters['click_processed']))
    if received < 0.9 * options.rate * options.seconds:
        faults.append('%d events in %.0f s are fewer than %d a second' % (received, ran, options.rate))
    return faults


def soak(options, folder):
    began = time.monotonic()
    job = Job(options, folder)
    samples, every = [], 5 if options.seconds >= 300 else 0.5
    try:
        while time.monotonic() - began < options.seconds:
            time.sleep(every)
            if job.process.poll() is not None:
                return ['it ended by itself with %d' % job.process.returncode]
            try:
                samples.append(look(job, began))
            except (FileNotFoundError, StopIteration):
                continue  # a file of the state folder that has gone meanwhile
            if len(samples) % 60 == 0 and options.seconds >= 300:
                print('  %(at).0f s: %(rss).0f MiB, state %(state).1f MiB, lag %(lag)s' % samples[-1], flush=True)
        code = job.end(60)
    finally:
        if job.process.poll() is None:
            job.process.kill()
            job.process.wait()
    faults = judge(samples, options)
    if code != 130:
        faults.append('stopped at a commit, its exit code was %s, not 130' % code)
    again = Job(options, folder, drain=True)
    time.sleep(1)
    code = again.end(120)
    if code != 0:
        return faults + ['drained, its exit code was %s' % code]
    return faults + count(folder, options, time.monotonic() - began)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--build', default=os.environ.get('BEAMC_BUILD', 'build/release'))
    parser.add_argument('--seconds', type=float, default=1800)
    parser.add_argument('--rate', type=int, default=50000)
    parser.add_argument('--parallelism', type=int, default=0)
    parser.add_argument('--keep', help='work there and leave it; otherwise a temporary folder')
    options = parser.parse_args()
    folder = options.keep or tempfile.mkdtemp(prefix='beamc-soak-')
    os.makedirs(folder, exist_ok=True)
    print('%d events/s for %.0f s' % (options.rate, options.seconds), flush=True)
    try:
        faults = soak(options, folder)
        if faults:
            with open(os.path.join(folder, 'stderr')) as file:
                print('its last words:\n' + file.read()[-2000:])
    finally:
        if not options.keep:
            shutil.rmtree(folder, ignore_errors=True)
    print('soak: FAILED: ' + '; '.join(faults) if faults else 'soak: flat, and nothing is missing')
    return 1 if faults else 0


if __name__ == '__main__':
    sys.exit(main())
