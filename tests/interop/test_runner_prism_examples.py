#!/usr/bin/env python3
# tests/run: timeout=600
"""The examples on Prism, unchanged: they print what they print here (tests/lib/example_cases.py)."""
import os
import sys

import lib

sys.path.insert(0, os.path.join(lib.ROOT, 'tests', 'lib'))
import example_cases as cases  # noqa: E402

PEER = 'prism'


def on_prism(t, name, *args, check=True):
    where = t.tmp
    peer = t.shared_peer(PEER)
    program = [lib.program(name), '--runner=PrismRunner', '--job_endpoint=' + peer.endpoint, '--env_file=/dev/null']
    return t.run(['env', '-C', where] + program + list(args), check=check, timeout=60)


def case(check):
    def test(t):
        check(lambda name, *args: on_prism(t, name, *args).stdout, t.tmp)
    return test


globals().update(('test_' + check.__name__, case(check)) for check in cases.EVERYWHERE)


# What docs/streaming.md says that Prism cannot do: if it can one day, the page is to be changed.


def test_sessions_with_triggers_are_refused(t):
    result = on_prism(t, 'windows', '--windows=sessions', check=False)
    assert result.code == 1 and not result.timed_out, result
    assert 'stateful triggers with merging windows' in result.stderr, result.stderr
    assert result.stdout == '', result.stdout


if __name__ == '__main__':
    lib.main(globals(), timeout=120)
