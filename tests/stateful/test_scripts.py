#!/usr/bin/env python3
# tests/run: timeout=300
"""Random scripts of state and timers on the local runner, against the model of scripts.py.

    test_scripts.py [--seed=N] [--cases=N]
"""
import argparse
import os
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import scripts  # noqa: E402

GROUPS = 10


def main():
    args = argparse.ArgumentParser()
    args.add_argument('--seed', type=int, default=1)
    args.add_argument('--cases', type=int, default=400)
    options = args.parse_args()
    print('1..%d' % GROUPS)
    bad = 0
    for group in range(GROUPS):
        faults = []
        for seed in range(options.seed + group, options.seed + options.cases, GROUPS):
            script = scripts.Script(seed)
            for threads in (1, 4):
                try:
                    wrong = scripts.fault(script, ['--parallelism=%d' % threads])
                except AssertionError as why:
                    wrong = str(why)
                if wrong:
                    faults.append((seed, threads, script, wrong))
                    break
        print('%s %d - seeds %d, every %dth' % ('not ok' if faults else 'ok', group + 1, options.seed + group, GROUPS))
        for seed, threads, script, wrong in faults[:2]:
            text = 'seed %d, --parallelism=%d --window_ms=%d%s: %s' % (
                seed, threads, script.window_ms, ' --expire' if script.expire else '', wrong)
            print('\n'.join('# ' + line for line in text.splitlines() + script.lines))
        bad += len(faults)
        sys.stdout.flush()
    print('# %d cases, %d with a difference' % (options.cases, bad))
    return 1 if bad else 0


if __name__ == '__main__':
    sys.exit(main())
