#!/usr/bin/env python3
# tests/run: timeout=600 full
"""Do the real runners work on this machine at all? Beam's own Python SDK submits a job to each. If this fails, look
here before blaming our worker."""
import lib

lib.use_beam_python()

import json
import logging
import shutil
import time

import apache_beam as beam
from apache_beam.options.pipeline_options import PipelineOptions

from lib import equal


def job(t, peer):
    logging.getLogger().setLevel(logging.ERROR)
    out = t.path('out')
    options = PipelineOptions(['--runner=PortableRunner', '--job_endpoint=' + peer.endpoint,
                               '--environment_type=LOOPBACK', '--job_name=peers-selftest'])
    with beam.Pipeline(options=options) as p:
        words = p | beam.Create(['a b a', 'b a']) | beam.FlatMap(str.split)
        counts = words | beam.combiners.Count.PerElement()
        counts | beam.Map(lambda kv: json.dumps(kv)) | beam.io.WriteToText(out, num_shards=1, shard_name_template='')
    with open(out) as lines:
        equal(sorted(json.loads(line) for line in lines), [['a', 3], ['b', 2]])


def test_prism(t):
    job(t, t.peer('prism'))


def test_python_job_service(t):
    job(t, t.peer('python-job-service'))


def test_flink(t):
    job(t, t.peer('flink'))


test_flink.timeout = 180


def gone(pid):
    try:
        with open('/proc/%d/stat' % pid) as stat:
            return stat.read().split()[2] == 'Z'
    except OSError:
        return True


def test_a_peer_dies_with_its_test(t):
    peer = lib.Peer('prism')
    t.cleanup(lambda: shutil.rmtree(peer.values['PEER_DIR']))
    pid = int(peer.values['PEER_PID'])
    assert not gone(pid)
    peer.proc.kill()  # not even its script can clean up
    peer.proc.wait()
    deadline = time.monotonic() + 10
    while not gone(pid):
        assert time.monotonic() < deadline, 'Prism outlived the script that held it'
        time.sleep(0.05)


if __name__ == '__main__':
    lib.main(globals())
