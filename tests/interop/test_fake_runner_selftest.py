#!/usr/bin/env python3
# tests/run: timeout=300 full
"""Is the fake runner faithful? Beam's own Python harness must get along with it. (Not a test of this project's code,
so it is no part of the default suite: run it after a change in fake_*.py or stages.py.)
"""
import lib

lib.use_beam_python()

import apache_beam as beam
from apache_beam.portability.api import beam_fn_api_pb2 as fn_pb2
from apache_beam.coders import StrUtf8Coder, VarIntCoder
from apache_beam.transforms import userstate

from fake_runner import FakeRunner
from fake_state import State
from lib import equal
from stages import Stage, encode_nested, global_window


def start(t, build, one_port=False, **options):
    runner = FakeRunner(t.tmp, one_port=one_port)
    t.cleanup(runner.close)
    t.log('stderr of the worker', lambda: runner.worker_stderr())
    pipeline = beam.Pipeline(options=beam.options.pipeline_options.PipelineOptions([]))
    build(pipeline)
    runner.start_python_worker(options)
    return runner, pipeline.to_runner_api()


def pair(x):
    return (x, len(x))


def build_pardo(p):
    strings = p | 'a' >> beam.Impulse() | 'Str' >> beam.Map(lambda b: b.decode()).with_output_types(str)
    other = p | 'b' >> beam.Impulse() | 'Other' >> beam.Map(lambda b: b.decode()).with_output_types(str)

    class Pair(beam.DoFn):
        def process(self, x):
            if x == 'fail':
                raise ValueError('the DoFn was told to fail')
            yield (x, len(x))

    pairs = (strings, other) | 'Flatten' >> beam.Flatten() | 'Pair' >> beam.ParDo(Pair()).with_output_types(
        beam.typehints.Tuple[str, int])
    pairs | 'Sum' >> beam.CombinePerKey(sum)


def test_pardo_bundle(t):
    runner, pipeline = start(t, build_pardo)
    stage = Stage(pipeline, ['Pair'], runner)
    bundle = runner.bundle(stage)
    bundle.send(stage.source(), stage.encode(['abc', 'z'])).end_input()
    equal(stage.values(bundle.output()), [('abc', 3), ('z', 1)])
    assert runner.descriptor_fetches == ['stage-1']
    again = runner.bundle(stage).end_input()
    equal(stage.values(again.output()), [])
    assert runner.descriptor_fetches == ['stage-1'], 'the descriptor was not cached'
    runner.finish()


def test_one_port_for_all_services(t):
    runner, pipeline = start(t, build_pardo, one_port=True)
    stage = Stage(pipeline, ['Pair'], runner)
    bundle = runner.bundle(stage).send(stage.source(), stage.encode(['abc'])).end_input()
    equal(stage.values(bundle.output()), [('abc', 3)])
    runner.finish()


def test_flatten_has_two_sources(t):
    runner, pipeline = start(t, build_pardo)
    stage = Stage(pipeline, ['Flatten', 'Pair'], runner)
    assert len(stage.sources) == 2
    bundle = runner.bundle(stage)
    for number, source in enumerate(stage.sources):
        bundle.send(source, stage.encode(['x' * (number + 1)], source))
    bundle.end_input()
    equal(sorted(stage.values(bundle.output())), [('x', 1), ('xx', 2)])


def test_combine_phases(t):
    runner, pipeline = start(t, build_pardo)
    lift = Stage(pipeline, [('Sum', 'precombine')], runner, 'lift')
    bundle = runner.bundle(lift).send(lift.source(), lift.encode([('a', 1), ('b', 2), ('a', 3)])).end_input()
    partial = dict(lift.values(bundle.output()))  # the accumulator's coder is Python's own, so: bytes
    assert set(partial) == {'a', 'b'}
    merge = Stage(pipeline, [('Sum', 'merge'), ('Sum', 'extract')], runner, 'merge')
    grouped = [(k, [v, v]) for k, v in partial.items()]
    # The result's type is not declared, so its coder is Python's own: type byte 1, varint.
    bundle = runner.bundle(merge).send(merge.source(), merge.encode(grouped)).end_input()
    equal(sorted(merge.values(bundle.output())), [('a', b'\x01\x08'), ('b', b'\x01\x04')])


def test_elements_split_interleaved_and_early(t):
    runner, pipeline = start(t, build_pardo)
    stage = Stage(pipeline, ['Pair'], runner)
    source = stage.source()
    warm = runner.bundle(stage).end_input()  # opens the data stream
    warm.result()
    one, two = runner.bundle(stage, start=False), runner.bundle(stage, start=False)
    one.send(source, stage.encode(['one']))  # data before the request
    one.start()
    two.start()
    two.send(source, stage.encode(['two']))
    one.send(source, stage.encode(['three'])).end_input()
    two.send(source, stage.encode(['four'])).end_input()
    equal(stage.values(one.output()), [('one', 3), ('three', 5)])
    equal(stage.values(two.output()), [('two', 3), ('four', 4)])


def test_error_then_good_bundle(t):
    runner, pipeline = start(t, build_pardo)
    stage = Stage(pipeline, ['Pair'], runner)
    bad = runner.bundle(stage).send(stage.source(), stage.encode(['ok', 'fail', 'ok'])).end_input()
    assert 'told to fail' in bad.error()
    good = runner.bundle(stage).send(stage.source(), stage.encode(['fine'])).end_input()
    equal(stage.values(good.output()), [('fine', 4)])


def test_progress_split_and_metrics(t):
    runner, pipeline = start(t, build_pardo)
    stage = Stage(pipeline, ['Pair'], runner)
    source = stage.source()
    bundle = runner.bundle(stage).send(source, stage.encode(['e%d' % i for i in range(10)]))
    progress = bundle.progress()
    assert progress is not None
    split = bundle.split(0.5, estimated=20)
    assert [c.transform_id for c in split.channel_splits] in ([source], [])
    bundle.end_input()
    result = bundle.result()
    assert result.monitoring_infos
    metadata = runner.ask('monitoring_infos', monitoring_info_id=list(result.monitoring_data)[:2])
    assert len(metadata.monitoring_info) == min(2, len(result.monitoring_data))


def test_named_data_stream(t):
    runner, pipeline = start(t, build_pardo)
    stage = Stage(pipeline, ['Pair'], runner)
    bundle = runner.bundle(stage, data_stream_id='lane-2')
    bundle.send(stage.source(), stage.encode(['abc'])).end_input()
    equal(stage.values(bundle.output()), [('abc', 3)])
    assert 'lane-2' in runner.data_streams and runner.inboxes[bundle.id].stream == 'lane-2'


def test_state_is_paged(t):
    class Count(beam.DoFn):
        BAG = userstate.BagStateSpec('bag', StrUtf8Coder())

        def process(self, kv, bag=beam.DoFn.StateParam(BAG)):
            seen = list(bag.read())
            bag.add(kv[1])
            yield (kv[0], len(seen))

    def build(p):
        keyed = p | beam.Impulse() | 'KV' >> beam.Map(lambda b: ('k', 'v')).with_output_types(
            beam.typehints.Tuple[str, str])
        keyed | 'Count' >> beam.ParDo(Count()).with_output_types(beam.typehints.Tuple[str, int])

    runner, pipeline = start(t, build, max_cache_memory_usage_mb=10)
    stage = Stage(pipeline, ['Count'], runner)
    # The key travels in nested encoding, and the bag's values in that of its coder.
    key = State.key('bag_user_state', transform_id=stage.find('Count'), user_state_id='bag',
                    window=b'', key=encode_nested(StrUtf8Coder(), ['k']))
    runner.state.put(key, encode_nested(StrUtf8Coder(), ['v%d' % i for i in range(5)]))
    runner.state.page_bytes = 6
    bundle = runner.bundle(stage, cache_tokens=[fn_pb2.ProcessBundleRequest.CacheToken(
        user_state=fn_pb2.ProcessBundleRequest.CacheToken.UserState(), token=b't1')])
    bundle.send(stage.source(), stage.encode([('k', 'x'), ('k', 'y')])).end_input()
    equal(stage.values(bundle.output()), [('k', 5), ('k', 6)])
    tokens = [r.get.continuation_token for r in runner.state.requests if r.HasField('get')]
    equal(tokens[:3], [b'', b'6', b'12'])
    assert runner.state.get(key).endswith(b'\x01x\x01y')


def test_timers(t):
    class Alarm(beam.DoFn):
        TIMER = userstate.TimerSpec('alarm', beam.TimeDomain.WATERMARK)

        def process(self, kv, alarm=beam.DoFn.TimerParam(TIMER)):
            alarm.set(1000)
            return []

        @userstate.on_timer(TIMER)
        def fired(self, key=beam.DoFn.KeyParam, ts=beam.DoFn.TimestampParam):
            yield (key, int(ts))

    def build(p):
        keyed = p | beam.Impulse() | 'KV' >> beam.Map(lambda b: ('k', 'v')).with_output_types(
            beam.typehints.Tuple[str, str])
        keyed | 'Alarm' >> beam.ParDo(Alarm()).with_output_types(beam.typehints.Tuple[str, int])

    runner, pipeline = start(t, build)
    stage = Stage(pipeline, ['Alarm'], runner)
    step, coder = stage.find('Alarm'), None
    bundle = runner.bundle(stage).send(stage.source(), stage.encode([('k', 'v')])).end_input()
    ((transform, family),) = bundle.timer_families
    assert transform == step
    set_timers = bundle.timers(step, family)
    assert set_timers
    coder = stage.timer_coder('Alarm', family)
    assert len(set_timers) > 10 and coder is not None
    second = runner.bundle(stage)
    second.send_timers(step, family, set_timers).end_input()
    equal(stage.values(second.output()), [('k', 1000)])


def test_control_cut_makes_the_worker_end(t):
    runner, pipeline = start(t, build_pardo)
    stage = Stage(pipeline, ['Pair'], runner)
    bundle = runner.bundle(stage).send(stage.source(), stage.encode(['abc']))
    runner.data_stream()
    runner.break_control()
    runner.worker_exit()
    assert bundle.future.exception(5) is not None


def test_worker_status_and_logs(t):
    runner, pipeline = start(t, build_pardo)
    runner.wait_connected()
    assert 'THREAD DUMP' in runner.worker_status().status_info.upper()
    runner.wait_log(lambda e: 'starting' in e.message)
    assert global_window(1).value == 1 and VarIntCoder().encode(1) == b'\x01'


def test_every_call_carries_the_worker_id(t):
    runner, pipeline = start(t, build_pardo)
    stage = Stage(pipeline, ['Pair'], runner)
    runner.bundle(stage).end_input().result()
    for service, metadata in runner.calls:
        assert [v for k, v in metadata if k == 'worker_id'] == [runner.worker_id], (service, metadata)


if __name__ == '__main__':
    lib.main(globals())
