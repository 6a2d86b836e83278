#!/usr/bin/env python3
# tests/run: timeout=900
"""Our programs on Flink."""
import lib

import runner_cases as cases

PEER = 'flink'


def test_ecommerce(t):
    cases.ecommerce_case(t, t.shared_peer(PEER))


def test_failing_dofn(t):
    cases.failing_case(t, t.shared_peer(PEER))


def test_process(t):
    cases.pipeline_case(t, t.shared_peer(PEER), 'words', environment='PROCESS')


if lib.FULL:  # the smoke above is what runs each time
    def test_windows(t):
        cases.pipeline_case(t, t.shared_peer(PEER), 'windows')

    def test_groups(t):
        cases.pipeline_case(t, t.shared_peer(PEER), 'groups')

    def test_outputs(t):
        cases.pipeline_case(t, t.shared_peer(PEER), 'outputs')

    def test_side_inputs(t):
        lib.stop_shared_peer(PEER)  # its memory grows with each job
        cases.pipeline_case(t, t.shared_peer(PEER), 'side')

    def test_combine_globally(t):
        cases.pipeline_case(t, t.shared_peer(PEER), 'globally')

    def test_external_pool(t):
        cases.pipeline_case(t, t.shared_peer(PEER), 'words', environment='EXTERNAL')


if __name__ == '__main__':
    lib.main(globals(), timeout=300)
