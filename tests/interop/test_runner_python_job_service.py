#!/usr/bin/env python3
# tests/run: timeout=600
"""Our programs on Python's local job service."""
import lib

import runner_cases as cases

PEER = 'python-job-service'


def test_words(t):
    cases.pipeline_case(t, t.shared_peer(PEER), 'words')


def test_windows(t):
    cases.pipeline_case(t, t.shared_peer(PEER), 'windows')


def test_groups(t):
    cases.pipeline_case(t, t.shared_peer(PEER), 'groups')


def test_outputs(t):
    cases.pipeline_case(t, t.shared_peer(PEER), 'outputs')


def test_side_inputs(t):
    cases.pipeline_case(t, t.shared_peer(PEER), 'side')


def test_combine_globally(t):
    cases.pipeline_case(t, t.shared_peer(PEER), 'globally')


def test_failing_dofn(t):
    cases.failing_case(t, t.shared_peer(PEER))


def test_ecommerce(t):
    cases.ecommerce_case(t, t.shared_peer(PEER))


def test_external_pool(t):
    cases.pipeline_case(t, t.shared_peer(PEER), 'words', environment='EXTERNAL')


if __name__ == '__main__':
    lib.main(globals(), timeout=200)
