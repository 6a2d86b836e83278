#!/usr/bin/env python3
# tests/run: timeout=600
"""Our programs on Prism."""
import lib

import runner_cases as cases

PEER = 'prism'


def test_words(t):
    cases.pipeline_case(t, t.shared_peer(PEER), 'words')


def test_windows(t):
    cases.pipeline_case(t, t.shared_peer(PEER), 'windows')


def test_groups(t):
    cases.pipeline_case(t, t.shared_peer(PEER), 'groups')


def test_one_large_group(t):
    cases.pipeline_case(t, t.shared_peer(PEER), 'groups', lines=50000, keys=1)


def test_outputs(t):
    cases.pipeline_case(t, t.shared_peer(PEER), 'outputs')


def test_side_inputs(t):
    cases.pipeline_case(t, t.shared_peer(PEER), 'side')


def test_splits_and_pauses(t):
    cases.splitting_case(t, t.shared_peer(PEER))


def test_combine_globally(t):
    cases.pipeline_case(t, t.shared_peer(PEER), 'globally')


def test_failing_dofn(t):
    cases.failing_case(t, t.shared_peer(PEER))


def test_undeclared_output(t):
    cases.failing_case(t, t.shared_peer(PEER), case='undeclared', words='DoFn beamc:test:undeclared:v1 emits to output 3, which it does '
                       'not declare (it has 1: [0] "out"): add it to .outputs')


def test_ecommerce(t):
    cases.ecommerce_case(t, t.shared_peer(PEER))


def test_external_pool(t):
    cases.pipeline_case(t, t.shared_peer(PEER), 'words', environment='EXTERNAL')


def test_process(t):
    cases.pipeline_case(t, t.shared_peer(PEER), 'words', environment='PROCESS')


def test_nobody_at_the_job_endpoint(t):
    result = t.run([lib.program('runner_pipelines'), '--runner=PortableRunner', '--job_endpoint=localhost:1',
                    '--input=' + __file__, '--out=' + t.path('out')], check=False, timeout=100)
    assert result.code == 1 and not result.timed_out, result
    assert 'localhost:1' in result.stderr, result.stderr


if __name__ == '__main__':
    lib.main(globals(), timeout=300)
