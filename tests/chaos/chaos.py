#!/usr/bin/env python3
"""Kills jobs with --state_dir at random instants until they are done, and counts their rows by an own computation.

    tests/chaos/chaos.py --kills=1000 --seed=1          what `make chaos` runs
    tests/chaos/chaos.py --seed=1 --job=17              one job of it again

Each job has a folder of its own, a small disk where we may mount one. It is started, killed -9 after a random time,
and started again with the same command, until it ends by itself; in between the disk is full for a while, or read-only.
Then its tables must hold each row that tests/ecommerce/reference.py (or the counting below) makes of the generator's events,
exactly once: JSON lines and SQLite alike, dead letters included. Everything random comes from the seed and the job's number.
"""
import argparse
import collections
import json
import os
import random
import re
import resource
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BUILD = os.path.join(ROOT, os.environ.get('BEAMC_BUILD', 'build/release'))
sys.path.insert(0, os.path.join(ROOT, 'tests', 'ecommerce'))
import reference  # noqa: E402

RUN = os.path.join(BUILD, 'bin', 'beamc-run')
STATEFUL = os.path.join(BUILD, 'tests', 'chaos', 'programs', 'stateful')
SAMPLES = os.path.join(BUILD, 'bin', 'publish-samples')
SLOW = 8 if os.environ.get('BEAMC_SANITIZER') else 1
DISK_BYTES = 256 << 20
RUNS_MAX = 120  # of one job; the last ones are left in peace
CODE_OUTPUT = 4


class Violation(Exception):
    pass


# ------------------------------------------------------------------------------------------- a disk of its own

class Disk:
    """A folder that can be full or read-only: a mounted one if we may, else by limits and permissions."""

    def __init__(self, folder):
        self.folder = folder
        os.makedirs(folder)
        self.mounted = subprocess.run(['mount', '-t', 'tmpfs', '-o', 'size=%d' % DISK_BYTES, 'chaos', folder],
                                      stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL).returncode == 0
        self.limit = None

    def fill(self, left):
        """No more than about `left` bytes can be written from now on."""
        if not self.mounted:
            sizes = [os.path.getsize(os.path.join(d, f)) for d, _, files in os.walk(self.folder) for f in files]
            self.limit = max(sizes + [0]) // 2 + left
            return
        room = os.statvfs(self.folder)
        with open(os.path.join(self.folder, 'filler'), 'wb') as f:
            f.truncate(0)
            os.posix_fallocate(f.fileno(), 0, max(room.f_bavail * room.f_frsize - left, 1))

    def clear(self):
        self.limit = None
        if self.mounted:
            os.unlink(os.path.join(self.folder, 'filler'))

    def read_only(self, yes):
        """False when that cannot be had here."""
        if self.mounted:
            return subprocess.run(['mount', '-o', 'remount,' + ('ro' if yes else 'rw'), self.folder]).returncode == 0
        if os.getuid() == 0:  # whom permissions do not bother
            return False
        for d, _, files in os.walk(self.folder):
            os.chmod(d, 0o555 if yes else 0o755)
            for f in files:
                os.chmod(os.path.join(d, f), 0o444 if yes else 0o644)
        return True

    def preexec(self):
        if self.limit is not None:
            resource.setrlimit(resource.RLIMIT_FSIZE, (self.limit, self.limit))

    def close(self):
        if self.mounted:
            subprocess.run(['umount', self.folder])
        shutil.rmtree(self.folder, ignore_errors=True)


# --------------------------------------------------------------------------------------------------- what it runs

def frozen(rows):
    return collections.Counter(json.dumps(r, sort_keys=True, ensure_ascii=False) for r in rows)


class Samples:
    """The generator's events of a seed, as files."""

    def __init__(self, work, events, seed, products):
        self.folder = os.path.join(work, 'samples-%d-%d-%d' % (events, seed, products))
        if not os.path.isdir(self.folder):
            subprocess.run([SAMPLES, '--output=' + self.folder, '--events=%d' % events, '--seed=%d' % seed,
                            '--products=%d' % products], check=True, stdout=subprocess.DEVNULL)

    def data(self, name):
        with open(os.path.join(self.folder, name + '.jsonl'), 'rb') as f:
            return f.read()


class Kind:
    """A kind of job. Subclasses say how it is started and what its tables must hold."""
    cache = {}
    seeds = 3
    lives = True  # its tables are written in place
    paces = (0.04, 0.08, 0.15, 0.3)  # seconds between kills, on average

    def expected(self, work, seed):
        if (self.name, seed) not in Kind.cache:
            Kind.cache[(self.name, seed)] = self.count(work, seed)
        return Kind.cache[(self.name, seed)]

    def check_counts(self, found):
        """Violations that are not rows missing or too many."""
        return []


def dead_rows(dead):
    return [row for row, _ in dead]


class Ecommerce(Kind):
    def __init__(self, streaming, events):
        self.name = 'ecommerce' if streaming else 'bounded'
        self.streaming, self.events = streaming, events
        if not streaming:  # it commits once a second only
            self.seeds, self.paces, self.lives = 1, (0.3, 1, 2), False

    def command(self, work, seed):
        args = [RUN, '--local', '--generate_events=%d' % self.events, '--generate_seed=%d' % seed, '--log_aggregates=false']
        return args + (['--streaming'] if self.streaming else [])

    def count(self, work, seed):
        samples = Samples(work, self.events, seed, 2000)
        tables, dead = reference.run({'click': samples.data('clicks'), 'transaction': samples.data('transactions'),
                                      'stock': samples.data('stock')})
        tables['dead_letter'] = dead_rows(dead)
        return {name: frozen(rows) for name, rows in tables.items()}

    def row(self, table, row):
        if table == 'dead_letter':
            row.pop('error')
        return row


class Files(Ecommerce):
    """The same events out of files."""

    def __init__(self, events):
        super().__init__(False, events)
        self.name = 'files'

    def command(self, work, seed):
        folder = Samples(work, self.events, seed, 2000).folder
        return [RUN, '--local'] + ['--input_%s=%s' % (s, os.path.join(folder, s + '.jsonl')) for s in ('clicks', 'transactions', 'stock')]


class Stateful(Kind):
    name = 'stateful'

    def __init__(self, events):
        self.events = events

    def command(self, work, seed):
        return [STATEFUL, '--events=%d' % self.events, '--seed=%d' % seed]

    def count(self, work, seed):
        seq, totals, dead, at = [], collections.Counter(), [], collections.Counter()
        for line in reference.lines_of(Samples(work, self.events, seed, 50).data('clicks')):
            try:
                start, product, _, _ = reference.parse_event('click', line, 60)
            except reference.Invalid:
                dead.append(reference.dead_letter('click', line))
                continue
            at[product] += 1
            totals[(product, start + 60)] += 1
            seq.append({'product_id': product, 'at': reference.stamp(0), 'n': at[product]})
        rows = [{'product_id': p, 'at': reference.stamp(end), 'n': n} for (p, end), n in totals.items()]
        # How events meet in batches is left open: their sum is not.
        batches = [{'product_id': p, 'n': n} for p, n in at.items()]
        return {'seq': frozen(seq), 'totals': frozen(rows), 'dead': frozen(dead), 'batches': frozen(batches)}

    def row(self, table, row):
        if table == 'dead':
            row.pop('error')
        return row


def summed(rows):
    sums = collections.Counter()
    for r in rows:
        sums[r['product_id']] += r['n']
    return [{'product_id': p, 'n': n} for p, n in sums.items()]


# --------------------------------------------------------------------------------------------------- what it wrote

def jsonl_rows(path):
    with open(path, 'rb') as f:
        data = f.read()
    if data and not data.endswith(b'\n'):
        raise Violation('%s ends with half a row' % path)
    try:
        return [json.loads(line) for line in data.split(b'\n')[:-1]]
    except ValueError as why:
        raise Violation('%s: %s' % (path, why))


OPTIONAL = ('payload_base64', 'truncated', 'payload_size')


def sqlite_rows(db, table):
    db.row_factory = sqlite3.Row
    for r in db.execute('SELECT * FROM "%s"' % table):
        row = dict(r)
        for name in OPTIONAL:
            if name in row and row[name] is None:
                del row[name]
        yield row


def compare(what, want, got):
    missing, extra = want - got, got - want
    if missing or extra:
        lines = ['%s: %d rows missing, %d too many, of %d' % (what, sum(missing.values()), sum(extra.values()), sum(want.values()))]
        lines += ['  missing %d x %s' % (n, r[:200]) for r, n in list(missing.items())[:3]]
        lines += ['  extra   %d x %s' % (n, r[:200]) for r, n in list(extra.items())[:3]]
        raise Violation('\n'.join(lines))


def table_of(kind, table, rows):
    rows = [kind.row(table, r) for r in rows]
    return frozen(summed(rows) if table == 'batches' else rows)


def check_outputs(kind, want, folder):
    db = sqlite3.connect('file:%s?mode=ro' % os.path.join(folder, 'out.sqlite'), uri=True)
    if db.execute('PRAGMA integrity_check').fetchone()[0] != 'ok':
        raise Violation('out.sqlite is damaged')
    for table, rows in want.items():
        compare('jsonl ' + table, rows, table_of(kind, table, jsonl_rows(os.path.join(folder, 'out', table + '.jsonl'))))
        compare('sqlite ' + table, rows, table_of(kind, table, sqlite_rows(db, table)))
    if kind.lives:
        left = db.execute('SELECT count(*) FROM _beamc_bundles').fetchone()[0]
        if left > 400:
            raise Violation('%d bundles are remembered at the end' % left)
    db.close()


# ------------------------------------------------------------------------------------------------------------ a job

class Job:
    def __init__(self, kind, number, seed, work):
        self.kind, self.number, self.work = kind, number, work
        self.rng = random.Random('%s %d %d' % (kind.name, seed, number))
        self.seed = 1 + number % kind.seeds  # of the events; few, since counting them takes longer than the job
        self.disk = Disk(os.path.join(work, '%s-%d' % (kind.name, number)))
        self.kills = self.runs = self.full = self.read_only = 0
        self.pace = self.rng.choice(kind.paces) * SLOW
        self.args = kind.command(work, self.seed) + ['--output_jsonl=out', '--output_sqlite=out.sqlite', '--state_dir=state',
                                               '--parallelism=%d' % self.rng.choice((1, 2, 3))]
        if self.rng.random() < 0.3:
            self.args.append('--overwrite')

    def start(self):
        self.runs += 1
        return subprocess.Popen(self.args, cwd=self.disk.folder, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                                stderr=subprocess.PIPE, preexec_fn=self.disk.preexec)

    def run(self, seconds):
        """For so long, if it does not end before. (exit code or None when it was killed, its words)"""
        process = self.start()
        try:
            _, err = process.communicate(timeout=seconds)
            return process.returncode, err.decode('utf-8', 'replace')
        except subprocess.TimeoutExpired:
            process.kill()
            _, err = process.communicate()
            if process.returncode == -signal.SIGKILL:
                self.kills += 1
                return None, ''
            return process.returncode, err.decode('utf-8', 'replace')

    def expect_refusal(self, code, said, pattern):
        """None: it was killed before it met the wall, and 0: it was done before."""
        if code in (None, 0):
            return
        lines = [x for x in said.splitlines() if x.strip()]
        if code != CODE_OUTPUT or len(lines) != 1 or not re.search(pattern, said):
            raise Violation('exit code %d and wrong words: %s' % (code, said[-600:]))

    def full_disk(self):
        self.disk.fill(self.rng.choice((0, 8192, 100000, 400000)))
        try:
            code, said = self.run(5 * SLOW)
            self.full += code == CODE_OUTPUT
            self.expect_refusal(code, said, r'space|room|limit|full')
        finally:
            self.disk.clear()
        return code

    def read_only_disk(self):
        if not self.disk.read_only(True):
            return None
        try:
            code, said = self.run(5 * SLOW)
            self.read_only += code == CODE_OUTPUT
            self.expect_refusal(code, said, r'[Rr]ead-only|write access')
        finally:
            self.disk.read_only(False)
        return code

    def pause(self):
        if self.runs % 15 == 14:  # a slow machine: it must get on
            self.pace *= 1.5
        return self.rng.uniform(0, 0.02) if self.rng.random() < 0.1 else self.rng.expovariate(1 / self.pace)

    def go(self):
        while True:
            dice = self.rng.random()
            if dice < 0.03:
                code = self.full_disk()
            elif dice < 0.06:
                code = self.read_only_disk()
            else:
                code, said = self.run(self.pause() if self.runs < RUNS_MAX else 300)
                if code not in (None, 0):
                    raise Violation('exit code %d: %s' % (code, said[-600:]))
            if code == 0:
                break
            if self.runs > RUNS_MAX:
                raise Violation('it does not come to its end')
        check_outputs(self.kind, self.kind.expected(self.work, self.seed), self.disk.folder)

    def keep(self, keep_dir):
        to = os.path.join(keep_dir, '%s-%d' % (self.kind.name, self.number))
        shutil.rmtree(to, ignore_errors=True)
        shutil.copytree(self.disk.folder, to, ignore=shutil.ignore_patterns('filler'))
        return to


KINDS = (Ecommerce(True, 150000), Stateful(200000), Ecommerce(False, 600000), Files(600000))


def campaign(kills, seed, kinds=KINDS, job=None, keep_dir=None, say=print):
    """(what there was of each, violations as texts)"""
    totals, violations, number = collections.Counter(), [], 0 if job is None else job
    base = '/dev/shm' if os.access('/dev/shm', os.W_OK) else None
    began = time.monotonic()
    with tempfile.TemporaryDirectory(dir=base, prefix='beamc-chaos-') as work:
        while totals['kills'] < kills:
            kind = kinds[number % len(kinds)]
            j = Job(kind, number, seed, work)
            try:
                j.go()
                verdict = 'ok'
            except Violation as why:
                verdict = 'VIOLATION: %s' % why
                violations.append('%s job %d: %s' % (kind.name, number, why))
                if keep_dir:
                    verdict += '\n  kept in ' + j.keep(keep_dir)
            finally:
                j.disk.close()
            totals.update(kills=j.kills, jobs=1, full=j.full, read_only=j.read_only)
            say('%s job %d: %d kills, %d runs, disk full %d times, read-only %d times: %s'
                % (kind.name, number, j.kills, j.runs, j.full, j.read_only, verdict))
            number += 1
            if job is not None:
                break
    say('%d kills in %d jobs, %d full disks, %d read-only ones, %d violations; %.0f s'
        % (totals['kills'], totals['jobs'], totals['full'], totals['read_only'], len(violations), time.monotonic() - began))
    return totals, violations


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument('--kills', type=int, default=1000)
    parser.add_argument('--seed', type=int, default=1)
    parser.add_argument('--only', choices=[k.name for k in KINDS])
    parser.add_argument('--job', type=int, help='this one alone')
    parser.add_argument('--keep', help='a folder for what jobs with violations leave')
    args = parser.parse_args()
    kinds = [k for k in KINDS if args.only in (None, k.name)]
    _, violations = campaign(args.kills, args.seed, kinds, args.job, args.keep, lambda text: print(text, flush=True))
    sys.exit(1 if violations else 0)


if __name__ == '__main__':
    main()
