"""What the protocol tests share: the worker under test and its pipelines, and how to read its answers.

The worker is build/<variant>/interop/protocol_dofns --worker. BEAMC_PROTOCOL_WORKER=python puts Beam's Python harness
with the same DoFns (python_standin.py) in its place: so the tests themselves can be tested. What Python is known not
to do is marked with @ours_only.
"""
import functools
import os
import re
import time

from apache_beam.coders import coder_impl, coders
from apache_beam.portability.api import beam_runner_api_pb2 as pb

import lib
from fake_runner import FakeRunner, WorkerGone
from fake_state import TIMEOUT
from lib import equal
from stages import Stage

STAND_IN = os.environ.get('BEAMC_PROTOCOL_WORKER') == 'python'


def ours_only(why):
    """Marks a test that Beam's Python harness cannot pass, and says why."""
    def mark(test):
        @functools.wraps(test)
        def run(t):
            if STAND_IN:
                raise lib.Skip('the Python harness: ' + why)
            test(t)
        return run
    return mark


def slow(seconds):
    def mark(test):
        test.timeout = seconds
        return test
    return mark


def pipeline(t, set_name='basic'):
    """The pipeline proto of one set of DoFns."""
    if STAND_IN:
        import python_standin
        return python_standin.pipeline(set_name)
    path = t.path(set_name + '.pb')
    t.run([lib.program('protocol_dofns'), '--dump_pipeline=' + path, set_name])
    with open(path, 'rb') as file:
        return pb.Pipeline.FromString(file.read())


def command():
    return [lib.program('protocol_dofns'), '--worker']


def start(t, set_name='basic', options=None, template=None, flags=True, prepare=None, **kwargs):
    """A runner with a worker. template: its command line instead of the usual one; prepare(runner) runs before."""
    proto = pipeline(t, set_name)
    runner = FakeRunner(t.tmp, pipeline_options={'beam:option:%s:v1' % k: v for k, v in (options or {}).items()},
                        **kwargs)
    t.cleanup(runner.close)
    t.log('stderr of the worker', lambda: runner.worker_stderr())
    t.log('log entries of the worker', lambda: '\n'.join(
        '%s %s %s: %s' % (e.severity, e.instruction_id, e.transform_id, e.message) for e in runner.logs))
    if prepare:
        prepare(runner)
    if STAND_IN and template is None:
        os.environ['PYTHONPATH'] = lib.HERE
        runner.start_python_worker(options)
    else:
        runner.start_worker(template or command(), flags=flags)
    return runner, proto


def echo_stage(runner, proto, stage_id='echo', **kwargs):
    return Stage(proto, ['Echo'], runner, stage_id, **kwargs)


def run(runner, stage, values, **kwargs):
    """One whole bundle through a stage's only source; the Bundle, input ended."""
    bundle = runner.bundle(stage, **kwargs)
    return bundle.send(stage.source(), stage.encode(values)).end_input()


def check_echo(runner, stage, text=b'still fine'):
    """A bundle of an echo stage gives what it got: the worker is in good health."""
    equal(stage.values(run(runner, stage, [text]).output()), [text], 'output of a good bundle')


def wait_for_path(path, timeout=None):
    deadline = time.monotonic() + (timeout or TIMEOUT)
    while not os.path.exists(path):
        if time.monotonic() > deadline:
            raise TimeoutError('%s did not appear' % path)
        time.sleep(0.005)


class Gate:
    """An element that keeps Echo waiting until open() is called; reached() returns once it does wait."""

    count = 0

    def __init__(self, t):
        Gate.count += 1
        self.path = t.path('gate-%d' % Gate.count)
        self.element = b'wait:' + self.path.encode()
        t.cleanup(self.open)

    def reached(self):
        wait_for_path(self.path + '.started')

    def open(self):
        with open(self.path, 'w'):
            pass


def rss_bytes(runner):
    with open('/proc/%d/status' % runner.workers[-1].pid) as status:
        return int(re.search(r'VmRSS:\s+(\d+)', status.read()).group(1)) << 10


def clear_line(runner, *words):
    """The worker ended with a failure and said so: non-zero, not by a signal, one or a few lines with the words."""
    code = runner.worker_exit()
    text = runner.worker_stderr()
    assert code > 0, 'exit code %d after a fault; stderr: %s' % (code, text[-800:])
    if not STAND_IN:
        lines = [line for line in text.splitlines() if line.strip()]
        assert 1 <= len(lines) <= 3, 'one clear line was expected on stderr, not %d:\n%s' % (len(lines), text[-1500:])
        for word in words:
            assert word.lower() in text.lower(), '%r is not in: %s' % (word, text)
    return text


def fails_cleanly(runner, *bundles):
    """Each bundle gets an error response, or the worker has ended by itself with a failure. Never a hang, a crash, a
    success. True if the worker lives on."""
    lives = True
    for bundle in bundles:
        try:
            assert bundle.response().error, 'the bundle succeeded in spite of the fault'
        except WorkerGone:
            clear_line(runner)
            lives = False
    if lives:
        time.sleep(0.05)
        code = runner.workers[-1].poll()
        if code is not None:
            assert code > 0, 'exit code %d after a fault: %s' % (code, runner.worker_stderr()[-800:])
            lives = False
    return lives


# --- metrics --------------------------------------------------------------------------------------------------


def infos(runner, response):
    """{(urn, ((label, value), ..)): payload} of a bundle's or a progress response, short ids resolved."""
    result = {}
    for info in response.monitoring_infos:
        result[(info.urn, tuple(sorted(info.labels.items())))] = info.payload
    if response.monitoring_data:
        known = runner.ask('monitoring_infos', monitoring_info_id=sorted(response.monitoring_data)).monitoring_info
        for short_id, payload in response.monitoring_data.items():
            info = known[short_id]
            assert not info.payload, 'metadata of a short id carries a payload'
            result[(info.urn, tuple(sorted(info.labels.items())))] = payload
    return result


def metric(found, urn, **labels):
    """The payload of the only metric with this urn and these labels (among others)."""
    wanted = set(labels.items())
    hits = [p for (u, l), p in found.items() if u == urn and wanted <= set(l)]
    assert len(hits) == 1, '%d metrics %s %s among %s' % (len(hits), urn, labels, sorted(found))
    return hits[0]


def varints(payload):
    """All varints of a payload, negative ones included."""
    stream, numbers = coder_impl.create_InputStream(payload), []
    while stream.size() > 0:
        numbers.append(stream.read_var_int64())
    return numbers


VARINT, BYTES = coders.VarIntCoder(), coders.BytesCoder()


def split_of(bundle, *args, **kwargs):
    """(last primary, first residual) of a split without roots, or None."""
    response = bundle.split(*args, **kwargs)
    if not response.channel_splits:
        assert not response.primary_roots and not response.residual_roots, response
        return None
    (channel,) = response.channel_splits
    equal(channel.transform_id, bundle.sources[0], 'transform of the channel split')
    assert not response.primary_roots and not response.residual_roots, response
    return channel.last_primary_element, channel.first_residual_element

