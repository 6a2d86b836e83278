#!/usr/bin/env python3
# tests/run: timeout=600
"""Apache Beam's trigger transcripts through whole pipelines on Prism: tests/triggers/test_pipeline.py, another runner.

Prism plays the next event of a test stream before the panes of the last have come through all stages, so panes may come
later than the transcript says (Python's own tests of such runners allow that, too). What Prism gets wrong is listed with
why; a transcript of the list that passes is a failure, so that the list stays true.
"""
import os
import sys

import lib

sys.path.insert(0, os.path.join(lib.ROOT, 'tests', 'triggers'))
import test_pipeline  # noqa: E402
import test_transcripts  # noqa: E402

PEER = 'prism'
FORMS = ('group', 'combine')
WRONG = {
    'fixed_drop_late_data_after_allowed_lateness': 'fires the same elements again, as a last pane, when a window expires',
    'discarding_early_fixed': 'never fires an empty pane on time',
    'early_late_sessions': 'refuses triggers with state on merging windows (apache/beam issue 31438)',
    'known_late_data_watermark': 'knows no output watermark: late elements count for the timestamp of a pane',
    'known_late_data_no_watermark_hold_possible': 'knows no output watermark: late elements count for the timestamp',
}


def make_test(spec, form):
    def test(t):
        peer = t.shared_peer(PEER)
        flags = ['--runner=PortableRunner', '--job_endpoint=' + peer.endpoint, '--environment_type=LOOPBACK']
        wrong = test_pipeline.fault(spec, form, flags, test_pipeline.compare_loosely)
        why = WRONG.get(spec['name'])
        if why is None and wrong:
            raise AssertionError(wrong)
        if why is not None and not wrong:
            raise AssertionError('passes now; take it off the list: ' + why)
        if why:
            t.note('Prism ' + why)
    return test


def all_tests():
    tests = {}
    for spec in test_transcripts.load([]) or []:
        try:
            test_pipeline.transcripts.lines(spec)
        except test_pipeline.transcripts.Refused:
            continue  # the portable model has no word for it
        for form in FORMS if 'error' not in spec else []:  # those with an error are about the comparing
            name = 'test_%s_%s' % (spec['name'], form)
            tests[name + ('_again' if name in tests else '')] = make_test(spec, form)
    return tests


if __name__ == '__main__':
    lib.main(all_tests())
