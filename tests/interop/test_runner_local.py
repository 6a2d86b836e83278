#!/usr/bin/env python3
# tests/run: timeout=300
"""The pipelines of the runner tests on our own local runner, against results computed in Python."""
import lib

import runner_cases as cases


def test_words(t):
    cases.pipeline_case(t, None, 'words', lines=20000)


def test_windows(t):
    cases.pipeline_case(t, None, 'windows')


def test_groups(t):
    cases.pipeline_case(t, None, 'groups', lines=50000)


def test_outputs(t):
    cases.pipeline_case(t, None, 'outputs')


def test_side_inputs(t):
    cases.pipeline_case(t, None, 'side')


def test_splits_and_pauses(t):
    cases.splitting_case(t, None)


def test_combine_globally(t):
    cases.pipeline_case(t, None, 'globally')


if __name__ == '__main__':
    lib.main(globals(), timeout=120)
