#!/usr/bin/env python3
# tests/run: timeout=300
"""A small count of `make chaos`: jobs with --state_dir, killed at random instants, hold each row once at the end. And
that its own checks would see a row that is missing, one that is there twice, half a row. TAP."""
import json
import os
import sqlite3
import sys
import tempfile

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import chaos  # noqa: E402

TESTS = []


def test(fn):
    TESTS.append(fn)
    return fn


def killed(kind, kills):
    lines = []
    totals, violations = chaos.campaign(kills, 7, kinds=[kind], say=lines.append)
    assert not violations, '\n'.join(violations)
    assert totals['kills'] >= kills
    return '%d kills in %d jobs' % (totals['kills'], totals['jobs'])


@test
def streaming_ecommerce_job():
    return killed(chaos.Ecommerce(True, 30000), 8)


@test
def stateful_job():
    return killed(chaos.Stateful(70000), 8)


@test
def bounded_ecommerce_job():
    return killed(chaos.Ecommerce(False, 60000), 3)


@test
def bounded_job_out_of_files():
    return killed(chaos.Files(60000), 2)


class Two(chaos.Kind):
    """Two rows in one table."""
    name = 'two'
    want = {'t': chaos.frozen([{'n': 1}, {'n': 2}])}

    def row(self, table, row):
        return row


@test
def the_check_sees_what_is_wrong():
    def verdict(jsonl, rows, bundles=0):
        with tempfile.TemporaryDirectory() as folder:
            os.mkdir(os.path.join(folder, 'out'))
            with open(os.path.join(folder, 'out', 't.jsonl'), 'w') as f:
                f.write(jsonl)
            db = sqlite3.connect(os.path.join(folder, 'out.sqlite'))
            db.execute('CREATE TABLE t (n)')
            db.execute('CREATE TABLE _beamc_bundles (n)')
            db.executemany('INSERT INTO t VALUES (?)', [(n,) for n in rows])
            db.executemany('INSERT INTO _beamc_bundles VALUES (?)', [(n,) for n in range(bundles)])
            db.commit()
            db.close()
            try:
                chaos.check_outputs(Two(), Two.want, folder)
            except chaos.Violation as why:
                return str(why)
            return ''
    good = ''.join(json.dumps({'n': n}) + '\n' for n in (2, 1))
    assert verdict(good, (1, 2)) == ''
    for text, words in ((good[:9], 'jsonl t: 1 rows missing'), (good + good[:9], '1 too many'), (good[:-1], 'half a row'),
                        (good[:12] + '\n' + good[9:], 't.jsonl: ')):
        assert words in verdict(text, (1, 2)), (words, verdict(text, (1, 2)))
    assert 'sqlite t: 1 rows missing' in verdict(good, (1,))
    assert 'sqlite t: 0 rows missing, 1 too many' in verdict(good, (1, 2, 2))
    assert '500 bundles are remembered' in verdict(good, (1, 2), 500)
    return ''


def main():
    print('1..%d' % len(TESTS))
    failed = 0
    for i, fn in enumerate(TESTS, 1):
        name = fn.__name__.replace('_', ' ')
        try:
            said = fn()
            print('ok %d - %s%s' % (i, name, ': ' + said if said else ''), flush=True)
        except Exception as why:  # the others are worth running, too
            failed += 1
            print('not ok %d - %s' % (i, name))
            print('\n'.join('# ' + line for line in repr(why).split('\\n')[:40]), flush=True)
    sys.exit(1 if failed else 0)


main()
