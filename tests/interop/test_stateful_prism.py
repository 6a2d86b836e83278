#!/usr/bin/env python3
# tests/run: timeout=300
"""State and timers on Prism: scripts for programs/stateful_script.c, with the model of tests/stateful/scripts.py.

Prism plays the next event of a test stream before all is over that the last one set off, and sorts the elements of a bundle by
time: the scripts leave no doubt about the order, and what comes out is compared over the whole run. Not played, since Prism
gets it wrong: clearing a timer of processing time (it fires, at time 0), the keys of a map after one was removed (it stays),
and a timer of processing time that waits when a test stream ends (it says that nothing is in progress, and fails the job).
"""
import collections

import lib

import os
import sys

sys.path.insert(0, os.path.join(lib.ROOT, 'tests', 'stateful'))
import scripts  # noqa: E402

PEER = 'prism'


class Fixed:
    """A script that is not random."""

    def __init__(self, lines, window_ms=0, expire=False):
        self.lines, self.window_ms, self.expire = lines, window_ms, expire
        m = scripts.Model(window_ms, expire)
        self.out = []
        for line in lines:
            kind, rest = line.split(' ', 1)
            if kind == 'watermark':
                m.watermark = int(rest)
            elif kind == 'clock':
                m.now += int(rest)
            else:
                key, at, commands = rest.split(' ', 2)
                m.element(key, int(at), commands)
            self.out.append(m.settle())
        m.over, m.watermark = True, scripts.MAX
        self.out.append(m.settle())


def all_of(steps):
    return collections.Counter((key, at, text) for got in steps for key, items in got.items() for at, text in items)


def check(t, *args, **kwargs):
    script = Fixed(*args, **kwargs)
    flags = ['--runner=PortableRunner', '--job_endpoint=' + t.shared_peer(PEER).endpoint, '--environment_type=LOOPBACK']
    steps, groups = scripts.play(script, flags)
    want, got = all_of(script.out), all_of([out for _, out in steps])
    assert want == got, 'missing %s; unexpected %s' % (sorted((want - got).items()), sorted((got - want).items()))
    late = [g for g in groups if g[2] != 'on_time']
    assert not late, 'late groups: %s' % late


def test_value_bag_and_combining(t):
    check(t, ['element a 1000 w 5 b 1 b 2 + 7 r', 'element a 2000 w 6 b 3 + 1 r', 'element b 2000 r',
              'element a 3000 q r', 'element a 4000 + 5 b 9 r'])


def test_map_and_set(t):
    check(t, ['element a 1000 m k 3 m j 4 s x s y r', 'element a 2000 m k 5 u x r', 'element b 3000 s x m k 1 r',
              'element a 4000 s z r'])


def test_ordered_list(t):
    check(t, ['element a 1000 l 20 2 l 10 1 l 30 3 r', 'element a 2000 k 15 25 r', 'element a 3000 l 5 9 r',
              'element b 3000 k 0 10 r', 'element a 4000 k 0 1000 r', 'element a 5000 l 1 1 r'])


def test_clear_all(t):
    check(t, ['element a 1000 w 5 b 1 + 7 m k 3 s x l 1 1 r', 'element a 2000 x r', 'element a 3000 b 4 r'])


def test_state_of_windows(t):
    check(t, ['element a 1000 b 1 + 1 r', 'element a 21000 b 2 + 2 r', 'watermark 20500', 'element a 22000 b 3 r'],
          window_ms=20000)


def test_event_timers_fire_in_order(t):
    check(t, ['element a 1000 t 0 one 5000 t 1 two 3000 t 0 three 4000 b 1 r', 'element b 1500 t 0 one 2000',
              'watermark 10000'])


def test_timers_are_moved_and_cleared(t):
    check(t, ['element a 1000 t 0 one 5000 t 0 two 6000', 'element a 1100 t 0 one 3000', 'element a 1200 c 0 two',
              'watermark 10000'])


def test_timers_that_set_themselves_again(t):
    check(t, ['element a 1000 t 0 loop3 2000 t 1 now 2500 t 1 x 9000 t 0 kill 8000', 'watermark 20000'])


def test_output_time_holds_the_watermark(t):
    check(t, ['element a 1000 h 0 one 25000 1000', 'watermark 12000', 'watermark 30000'])


def test_state_between_timers(t):
    check(t, ['element a 1000 + 1 t 0 add 2000 t 0 one 3000', 'watermark 5000', 'element a 6000 r'])


def test_timers_at_the_end(t):
    check(t, ['element a 1000 t 0 one 500000 b 1', 'element b 1000 t 1 one 8000 + 3'])


def test_processing_time(t):
    check(t, ['element a 1000 p one 500 b 1', 'clock 1000', 'element a 2000 r'])


def test_window_expiration(t):
    for attempt in range(10):  # Prism often goes down here: "WaitGroup is reused before previous Wait has returned"
        peer = t.shared_peer(PEER)
        try:
            check(t, ['element a 1000 b 1 t 0 one 15000', 'watermark 25000', 'watermark 45000'], window_ms=20000,
                  expire=True)
            return
        except AssertionError:
            if peer.alive() or attempt == 9:
                raise


if __name__ == '__main__':
    lib.main(globals())
