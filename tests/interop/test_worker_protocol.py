#!/usr/bin/env python3
# tests/run: timeout=1800 sanitizers
"""Our worker against the scripted runner: bundles, elements, splits, metrics; what a correct runner may send."""
import re
import subprocess
import time

import lib

lib.use_beam_python()

from apache_beam.coders import coder_impl
from apache_beam.portability.api import beam_fn_api_pb2 as fn_pb2
from apache_beam.runners.worker.bundle_processor import DataInputOperation
from apache_beam.transforms import window
from apache_beam.utils import timestamp, windowed_value

from lib import equal
from stages import Stage, global_window
from worker_case import (Gate, check_echo, command, echo_stage, infos, metric, ours_only, run, slow, split_of, start, varints)

EMBED_RESPONSE = 'beam:protocol:control_response_elements_embedding:v1'
SHORT_IDS = 'beam:protocol:monitoring_info_short_ids:v1'

# --- bundles and their elements ---


def test_one_bundle_and_its_descriptor_is_fetched_once(t):
    runner, proto = start(t)
    stage = echo_stage(runner, proto)
    values = [b'', b'a', b'\x00\xff' * 300, b'long' * 100000]
    equal(stage.values(run(runner, stage, values).output()), values)
    equal(stage.values(run(runner, stage, []).output()), [])
    equal(runner.descriptor_fetches, ['echo'])
    runner.finish()


@ours_only('has no register')
def test_registered_descriptor_is_not_fetched(t):
    runner, proto = start(t)
    stage = echo_stage(runner, proto)
    runner.ask('register', process_bundle_descriptor=[stage.descriptor])
    check_echo(runner, stage)
    equal(runner.descriptor_fetches, [])


def test_windows_timestamps_and_panes_pass_unchanged(t):
    runner, proto = start(t)
    stage = echo_stage(runner, proto)
    low, high = timestamp.MIN_TIMESTAMP, timestamp.MAX_TIMESTAMP
    panes = [windowed_value.PANE_INFO_UNKNOWN,
             windowed_value.PaneInfo(True, False, windowed_value.PaneInfoTiming.EARLY, 0, -1),
             windowed_value.PaneInfo(False, True, windowed_value.PaneInfoTiming.LATE, 300, 7),
             windowed_value.PaneInfo(True, True, windowed_value.PaneInfoTiming.ON_TIME, 0, 0)]
    values = [global_window(b'%d' % i, ts, pane) for i, (ts, pane) in enumerate(
        (ts, pane) for ts in (low, timestamp.Timestamp(0), timestamp.Timestamp(-1.5), high) for pane in panes)]
    sent = stage.encode(values)
    bundle = runner.bundle(stage).send(stage.source(), sent).end_input()
    equal(bundle.output(), sent)


def test_elements_in_many_windows(t):
    runner, proto = start(t)
    stage = Stage(proto, ['Minute'], runner)
    at = timestamp.Timestamp(61)
    bundle = runner.bundle(stage).send(stage.source(), stage.encode([
        windowed_value.WindowedValue((b'k', 1), at, (window.GlobalWindow(),))])).end_input()
    (out,) = stage.decode(bundle.output())
    equal((out.value, out.timestamp, list(out.windows)), ((b'k', 1), at, [window.IntervalWindow(60, 120)]))
    both = (window.IntervalWindow(0, 60), window.IntervalWindow(30, 90))
    sums = Stage(proto, [('SumByMinute', 'precombine')], runner, 'sums')
    values = [windowed_value.WindowedValue((b'k', 5), timestamp.Timestamp(40), both),
              windowed_value.WindowedValue((b'k', 6), timestamp.Timestamp(50), both[:1])]
    bundle = runner.bundle(sums).send(sums.source(), sums.encode(values)).end_input()
    exploded = [(w, v.value[0]) for v in sums.decode(bundle.output()) for w in v.windows]
    equal(sorted(exploded), [(both[0], b'k'), (both[1], b'k')], 'one accumulator for each window')


def test_elements_in_many_messages(t):
    runner, proto = start(t)
    stage = echo_stage(runner, proto)
    source, values = stage.source(), [b'%d' % i for i in range(500)]
    bundle = runner.bundle(stage)
    for value in values[:400]:
        bundle.send(source, stage.encode([value]))
    bundle.send(source, b'')  # an empty block ends nothing
    several = fn_pb2.Elements()
    for value in values[400:]:
        several.MergeFrom(bundle.elements(source, stage.encode([value])))
    runner.send_elements(several)
    bundle.end_input()
    equal(stage.values(bundle.output()), values)


@ours_only('drops the data of a message that is the last')
def test_last_data_and_end_in_one_message(t):
    runner, proto = start(t)
    stage = echo_stage(runner, proto)
    bundle = runner.bundle(stage).send(stage.source(), stage.encode([b'a']))
    bundle.send(stage.source(), stage.encode([b'b']), last=True)
    equal(stage.values(bundle.output()), [b'a', b'b'])


@ours_only('decodes each message by itself')
def test_element_cut_by_a_message_boundary(t):
    runner, proto = start(t)
    stage = echo_stage(runner, proto)
    values = [b'first', b'x' * 5000, b'last']
    sent = stage.encode(values)
    for cut in (1, 7, 13, len(sent) // 2, len(sent) - 1):
        bundle = runner.bundle(stage).send(stage.source(), sent[:cut])
        bundle.send(stage.source(), sent[cut:]).end_input()
        equal(stage.values(bundle.output()), values, 'cut at byte %d' % cut)
    bundle = runner.bundle(stage)
    for byte in sent[:40]:
        bundle.send(stage.source(), bytes([byte]))
    bundle.send(stage.source(), sent[40:]).end_input()
    equal(stage.values(bundle.output()), values, 'byte by byte')


def test_data_before_the_request(t):
    runner, proto = start(t)
    stage = echo_stage(runner, proto)
    check_echo(runner, stage)  # opens the data stream
    bundle = runner.bundle(stage, start=False)
    bundle.send(stage.source(), stage.encode([b'early'])).end_input()
    runner.bundle(stage).end_input().result()  # the early data has surely been read now
    bundle.start()
    equal(stage.values(bundle.output()), [b'early'])


def test_two_bundles_interleaved_frame_by_frame(t):
    runner, proto = start(t)
    stage = echo_stage(runner, proto)
    one, two = runner.bundle(stage), runner.bundle(stage)
    for i in range(200):
        message = one.elements(stage.source(), stage.encode([b'one %d' % i]))
        message.MergeFrom(two.elements(stage.source(), stage.encode([b'two %d' % i])))
        if i % 2:
            runner.send_elements(message)
        else:
            one.send(stage.source(), stage.encode([b'one %d' % i]))
            two.send(stage.source(), stage.encode([b'two %d' % i]))
    two.end_input()
    equal(stage.values(two.output()), [b'two %d' % i for i in range(200)])
    assert not one.future.done()
    one.end_input()
    equal(stage.values(one.output()), [b'one %d' % i for i in range(200)])


def test_two_sources_end_at_different_times(t):
    runner, proto = start(t)
    stage = Stage(proto, ['Flatten', 'Echo'], runner)
    first, second = stage.sources
    bundle = runner.bundle(stage)
    bundle.send(first, stage.encode([b'1'], first)).send(first, b'', last=True)
    bundle.send(second, stage.encode([b'2'], second))
    assert not bundle.future.done()
    bundle.send(second, b'', last=True)
    equal(sorted(stage.values(bundle.output())), [b'1', b'2'])


def test_every_sink_gets_its_end(t):
    runner, proto = start(t)
    stage = Stage(proto, ['Pair'], runner)
    equal(len(stage.sinks), 2)
    empty = runner.bundle(stage).end_input()
    empty.result()
    bundle = run(runner, stage, [b'short', b'longer than eight'])
    long = stage.sink('Pair', 'long')
    (main,) = set(stage.sinks) - {long}
    equal(stage.values(bundle.output(main), main), [(b'short', 5), (b'longer than eight', 17)])
    equal(stage.values(bundle.output(long), long), [b'longer than eight'])


def test_fused_chain_with_a_kept_middle(t):
    runner, proto = start(t)
    stage = Stage(proto, ['Echo', 'MakeRow', 'RowStep'], runner, keep=['Echo'])
    bundle = run(runner, stage, [b'drop:', b'abc'])
    rows, kept = stage.sink('RowStep'), stage.sink('Echo')
    equal([(r.id, r.n, r.note) for r in stage.values(bundle.output(rows), rows)], [('abc', 13, None)])
    equal(stage.values(bundle.output(kept), kept), [b'abc'])


def test_an_instance_is_used_again(t):
    runner, proto = start(t)
    stage = Stage(proto, ['BundleCount'], runner)
    for number in (1, 2, 3):
        equal(stage.values(run(runner, stage, [b'x'] * number).output()), [(number, number)])


def test_coders_in_a_length_prefix(t):
    runner, proto = start(t)
    stage = Stage(proto, ['GroupSum'], runner, unknown=['beam:coder:varint:v1'])
    varint = coder_impl.VarIntCoderImpl()
    group = [varint.encode(n) for n in (1, 200, 70000)]
    bundle = run(runner, stage, [(b'k', group)])
    equal(stage.values(bundle.output()), [(b'k', varint.encode(70201))])


def test_groups_of_unknown_length(t):
    runner, proto = start(t)
    stage = Stage(proto, ['GroupSum'], runner)
    data = stage.encode([(b'k', [1, 2, 3])])
    known = b'\x00\x00\x00\x03\x01\x02\x03'
    assert data.count(known) == 1
    for chunks in (b'\xff\xff\xff\xff\x03\x01\x02\x03\x00', b'\xff\xff\xff\xff\x01\x01\x02\x02\x03\x00'):
        bundle = runner.bundle(stage).send(stage.source(), data.replace(known, chunks)).end_input()
        equal(stage.values(bundle.output()), [(b'k', 6)])


# --- combine ---


def test_combine_in_phases(t):
    runner, proto = start(t)
    lift = Stage(proto, [('Sum', 'precombine')], runner, 'lift')
    pairs = [(b'k%d' % (i % 7), i) for i in range(1000)]
    partial = lift.values(run(runner, lift, pairs).output())
    equal(sorted(k for k, _ in partial), sorted(b'k%d' % i for i in range(7)))
    convert = Stage(proto, [('Sum', 'convert')], runner, 'convert')
    single = convert.values(run(runner, convert, [(b'k0', 5), (b'k0', 6)]).output())
    equal([k for k, _ in single], [b'k0', b'k0'])
    merge = Stage(proto, [('Sum', 'merge'), ('Sum', 'extract')], runner, 'merge')
    groups = [(k, [a]) for k, a in partial if k != b'k0']
    groups.append((b'k0', [a for k, a in partial + single if k == b'k0']))
    want = {b'k%d' % i: sum(n for k, n in pairs if k == b'k%d' % i) for i in range(7)}
    want[b'k0'] += 11
    equal(dict(merge.values(run(runner, merge, groups).output())), want)
    whole = Stage(proto, [('Sum', 'grouped_values')], runner, 'whole')
    equal(whole.values(run(runner, whole, [(b'k', [1, 2, 3])]).output()), [(b'k', 6)])


# --- embedded elements and named streams ---


@ours_only('reads no embedded elements')
def test_input_embedded_in_the_request(t):
    runner, proto = start(t)
    stage = echo_stage(runner, proto)
    bundle = runner.bundle(stage, start=False)
    elements = bundle.elements(stage.source(), stage.encode([b'in', b'side']))
    elements.MergeFrom(bundle.all_ends())
    bundle.start(elements=elements)
    equal(stage.values(bundle.output()), [b'in', b'side'])
    assert not bundle.response().process_bundle.HasField('elements'), 'this runner did not ask for that'
    check_echo(runner, stage)


@ours_only('reads no embedded elements')
def test_embedded_input_without_its_end_fails(t):
    runner, proto = start(t)
    stage = Stage(proto, ['Flatten', 'Echo'], runner)
    first, second = stage.sources
    bundle = runner.bundle(stage, start=False)
    elements = bundle.elements(first, stage.encode([b'1'], first))
    elements.MergeFrom(bundle.elements(first, last=True))
    elements.MergeFrom(bundle.elements(second, stage.encode([b'2'], second)))
    bundle.start(elements=elements)
    assert second in bundle.error(), 'the error does not name the input that has no end: ' + bundle.error()


@ours_only('embeds nothing')
def test_output_embedded_in_the_response(t):
    runner, proto = start(t, capabilities=[EMBED_RESPONSE])
    stage = Stage(proto, ['Echo', 'Pair'], runner)
    long = stage.sink('Pair', 'long')
    (main,) = set(stage.sinks) - {long}
    bundle = run(runner, stage, [b'small'])
    result = bundle.result()
    if result.HasField('elements'):
        equal(sorted(d.transform_id for d in result.elements.data if d.is_last), sorted(stage.sinks))
        assert not runner.inboxes[bundle.id].messages, 'embedded, and on the data stream as well'
    equal(stage.values(bundle.output(main), main), [(b'small', 5)])
    large = run(runner, stage, [b'big:%d' % (8 << 20)])
    assert not large.result().HasField('elements'), '8 MiB do not belong in a response'
    equal([len(v) for v in stage.values(large.output(long), long)], [8 << 20])


def test_named_data_streams(t):
    runner, proto = start(t)
    stage = echo_stage(runner, proto)
    default = runner.bundle(stage)
    lanes = [runner.bundle(stage, data_stream_id='lane %d' % i) for i in range(3)]
    for bundle in lanes:
        bundle.send(stage.source(), stage.encode([bundle.stream.encode()])).end_input()
        equal(stage.values(bundle.output()), [bundle.stream.encode()])
        equal(runner.inboxes[bundle.id].stream, bundle.stream, 'the stream of the output')
    default.send(stage.source(), stage.encode([b'default'])).end_input()
    equal(stage.values(default.output()), [b'default'])
    equal(sorted(runner.data_streams), ['', 'lane 0', 'lane 1', 'lane 2'])
    equal(sum(service == 'data' for service, _ in runner.calls), 4)
    again = run(runner, stage, [b'again'], data_stream_id='lane 1')
    equal(stage.values(again.output()), [b'again'])
    equal(sum(service == 'data' for service, _ in runner.calls), 4, 'data streams after lane 1 was used again')


# --- many bundles ---


def test_bundles_that_wait_for_one_another(t):
    runner, proto = start(t)
    stage = echo_stage(runner, proto)
    downstream = [runner.bundle(stage) for _ in range(20)]  # their input exists only when upstream is done
    gates = [Gate(t) for _ in range(20)]
    blocked = [run(runner, stage, [gate.element]) for gate in gates]
    for gate in gates:
        gate.reached()  # all twenty are inside of their DoFn at once
    upstream = run(runner, stage, [b'made upstream'])
    data = upstream.output()
    for bundle in downstream:
        equal(stage.values(bundle.send(stage.source(), data).end_input().output()), [b'made upstream'])
    for gate, bundle in zip(gates, blocked):
        assert not bundle.future.done()
        gate.open()
    for bundle in blocked:
        bundle.result()


@slow(300)
def test_several_hundred_bundles(t):
    runner, proto = start(t)
    stages = [echo_stage(runner, proto, 'echo-%d' % i) for i in range(3)]
    open_bundles = []
    for number in range(600):
        stage = stages[number % 3]
        values = [b'%d-%d' % (number, i) for i in range(number % 50)]
        if number % 7 == 3:
            values.append(b'fail:as told')
        open_bundles.append((stage, values, run(runner, stage, values)))
        if len(open_bundles) == 16:
            finish(open_bundles)
    finish(open_bundles)
    runner.finish()


def finish(open_bundles):
    for stage, values, bundle in open_bundles:
        if values and values[-1] == b'fail:as told':
            assert 'told to fail: as told' in bundle.error()
        else:
            equal(stage.values(bundle.output()), values)
    open_bundles.clear()


# --- progress and splits ---


def test_progress_of_a_running_bundle(t):
    runner, proto = start(t)
    stage = echo_stage(runner, proto)
    gate = Gate(t)
    bundle = run(runner, stage, [b'a', b'b', gate.element, b'c'])
    gate.reached()
    progress = bundle.progress()
    found = infos(runner, progress)
    equal(varints(metric(found, 'beam:metric:data_channel:read_index:v1', PTRANSFORM=stage.source())), [2])
    equal(varints(metric(found, 'beam:metric:element_count:v1', PCOLLECTION=stage.sinks[stage.sink()])), [2])
    gate.open()
    bundle.result()
    late = runner.request('process_bundle_progress', instruction_id='late', message=fn_pb2.ProcessBundleProgressRequest(
        instruction_id=bundle.id)).result(20)
    assert not late.error, 'progress of a finished bundle: ' + late.error
    runner.bundle(stage).end_input().result()


def test_progress_says_whether_data_is_consumed(t):
    runner, proto = start(t)
    stage = echo_stage(runner, proto)
    gate = Gate(t)
    busy = run(runner, stage, [gate.element])
    gate.reached()
    assert busy.progress().consuming_received_data
    gate.open()
    busy.result()
    idle = runner.bundle(stage)
    until = time.monotonic() + 20
    while True:  # first it is on its way to its input
        progress = idle.progress()
        if progress.HasField('consuming_received_data') and not progress.consuming_received_data:
            break
        assert time.monotonic() < until, 'a bundle that waits for input says %s' % progress
        time.sleep(0.01)
    idle.end_input().result()


def test_progress_of_waiting_failed_and_unknown_bundles(t):
    runner, proto = start(t)
    stage = echo_stage(runner, proto)
    waiting = runner.bundle(stage)
    waiting.progress()
    failed = run(runner, stage, [b'fail:now'])
    failed.error()
    for instruction in (failed.id, 'never heard of'):  # an error or nothing, but an answer
        runner.request('process_bundle_progress', message=fn_pb2.ProcessBundleProgressRequest(
            instruction_id=instruction)).result(20)
    waiting.end_input().result()


def expected_split(index, fraction, total, allowed, stop=float('inf')):
    """By Python's split computation, a pure function. Fractions are chosen such that nothing is rounded from .5."""
    split = DataInputOperation._compute_split(index, 0.5, stop, fraction, total, allowed)
    return split and (split[0], split[3])


def split_case(t, runner, stage, at, fraction, allowed, estimated, size=12):
    gate = Gate(t)
    values = [b'%d' % i for i in range(at)] + [gate.element] + [b'%d' % i for i in range(at + 1, size)]
    bundle = run(runner, stage, values)
    gate.reached()
    split = split_of(bundle, fraction, allowed, estimated)
    equal(split, expected_split(at, fraction, estimated, allowed),
          'split(%g, %s) of %d at %d' % (fraction, allowed, estimated, at))
    gate.open()
    keep = values[:split[1]] if split else values
    equal(stage.values(bundle.output()), keep, 'primary of split(%g, %s)' % (fraction, allowed))
    return split


@slow(120)
def test_splits_with_and_without_allowed_points(t):
    runner, proto = start(t)
    stage = echo_stage(runner, proto)
    for at, fraction, allowed, estimated in (
            (3, 0.4, (), 12), (3, 0, (), 12), (0, 0.9, (), 12), (11, 0.4, (), 12), (3, 1, (), 12),
            (3, 0.4, (2, 5, 9), 12), (3, 0.7, (4, 6, 11), 12), (3, 0.4, (1, 2, 3), 12), (3, 0.4, (12, 40), 12),
            (3, 0.1, (8,), 12), (3, 0.3, (4, 5, 6, 7, 8), 12), (3, 0.4, (), 3), (3, 0.4, (7, 10), 100)):
        split_case(t, runner, stage, at, fraction, allowed, estimated)
    runner.finish()


def test_second_split_is_inside_of_the_first(t):
    runner, proto = start(t)
    stage = echo_stage(runner, proto)
    gate = Gate(t)
    values = [b'0', gate.element] + [b'%d' % i for i in range(2, 20)]
    bundle = run(runner, stage, values)
    gate.reached()
    first = split_of(bundle, 0.6, (), 20)
    equal(first, expected_split(1, 0.6, 20, ()))
    second = split_of(bundle, 0.6, (), 20)
    equal(second, expected_split(1, 0.6, 20, (), first[1]))
    assert second[1] < first[1]
    outside = split_of(bundle, 0.9, (first[1], 19), 20)
    equal(outside, None, 'a split behind the end of the primary')
    gate.open()
    equal(stage.values(bundle.output()), values[:second[1]])
    final = infos(runner, bundle.result())
    index = varints(metric(final, 'beam:metric:data_channel:read_index:v1', PTRANSFORM=stage.source()))
    assert index[0] in (second[0], second[1]), 'final read index %s after a split at %s' % (index, second)


def test_split_while_input_is_still_coming(t):
    runner, proto = start(t)
    stage = echo_stage(runner, proto)
    gate = Gate(t)
    bundle = runner.bundle(stage).send(stage.source(), stage.encode([gate.element, b'1']))
    gate.reached()
    equal(split_of(bundle, 0.4, (), 10), expected_split(0, 0.4, 10, ()))
    gate.open()
    bundle.send(stage.source(), stage.encode([b'%d' % i for i in range(2, 10)])).end_input()
    equal(len(stage.values(bundle.output())), expected_split(0, 0.4, 10, ())[1])


def test_late_and_early_splits_are_empty(t):
    runner, proto = start(t)
    stage = echo_stage(runner, proto)
    done = run(runner, stage, [b'a', b'b'])
    done.result()
    equal(split_of(done, 0.5, (), 2), None)
    other = runner.bundle(stage)  # the delayed split must not touch the bundle that runs now
    equal(split_of(done, 0.5, (), 2), None)
    other.send(stage.source(), stage.encode([b'a', b'b', b'c'])).end_input()
    equal(stage.values(other.output()), [b'a', b'b', b'c'])


def test_split_right_after_the_request(t):
    runner, proto = start(t)
    stage = echo_stage(runner, proto)
    for _ in range(20):
        bundle = runner.bundle(stage)
        split = runner.request('process_bundle_split', message=bundle.split_request(0.5, (), 10)).result(20)
        assert not split.error, split.error
        bundle.send(stage.source(), stage.encode([b'%d' % i for i in range(10)])).end_input()
        keep = split.process_bundle_split.channel_splits
        equal(len(stage.values(bundle.output())), keep[0].first_residual_element if keep else 10)


# --- metrics, samples, logs ---


def check_metrics(runner, proto):
    stage = echo_stage(runner, proto)
    for number in (3, 2):
        bundle = run(runner, stage, [b'log:x'] + [b'abcd'] * (number - 1))
        found = infos(runner, bundle.result())
        labels = {'PTRANSFORM': stage.leaf('Echo'), 'NAMESPACE': 'interop'}
        equal(varints(metric(found, 'beam:metric:user:sum_int64:v1', NAME='elements', **labels)), [number])
        equal(varints(metric(found, 'beam:metric:user:distribution_int64:v1', NAME='bytes', **labels)),
              [number, 4 * number + 1, 4, 5])
        equal(varints(metric(found, 'beam:metric:user:latest_int64:v1', NAME='last', **labels))[1:], [5])
        equal(metric(found, 'beam:metric:user:set_string:v1', NAME='verbs', **labels), b'\x00\x00\x00\x01\x03log')
        for collection in (*stage.sources.values(), *stage.sinks.values()):
            equal(varints(metric(found, 'beam:metric:element_count:v1', PCOLLECTION=collection)), [number])
            size = varints(metric(found, 'beam:metric:sampled_byte_size:v1', PCOLLECTION=collection))
            assert 1 <= size[0] <= number and size[2] >= 4, size
        metric(found, 'beam:metric:pardo_execution_time:process_bundle_msecs:v1', PTRANSFORM=stage.leaf('Echo'))
    return bundle


def test_metrics_in_full_for_a_runner_without_short_ids(t):
    runner, proto = start(t)
    bundle = check_metrics(runner, proto)
    assert bundle.result().monitoring_infos


def test_metrics_by_short_ids(t):
    runner, proto = start(t, capabilities=[SHORT_IDS])
    bundle = check_metrics(runner, proto)
    assert bundle.result().monitoring_data


def test_unknown_short_id(t):
    runner, proto = start(t, capabilities=[SHORT_IDS])
    runner.request('monitoring_infos', monitoring_info_id=['no such id']).result(20)
    check_echo(runner, echo_stage(runner, proto))


def test_harness_monitoring_infos(t):
    runner, proto = start(t)
    runner.ask('harness_monitoring_infos')
    check_echo(runner, echo_stage(runner, proto))


@ours_only('samples on a timer of 30 s')
def test_data_samples(t):
    runner, proto = start(t, options={'experiments': ['enable_data_sampling']})
    stage = echo_stage(runner, proto)
    equal(dict(runner.ask('sample_data').element_samples), {})
    run(runner, stage, [b'sample me']).result()
    samples = runner.ask('sample_data').element_samples
    for collection in (*stage.sources.values(), *stage.sinks.values()):
        assert any(b'sample me' in s.element for s in samples[collection].elements), samples
    one = runner.ask('sample_data', pcollection_ids=[stage.sinks[stage.sink()]]).element_samples
    equal(list(one), [stage.sinks[stage.sink()]])


def test_log_entries_name_instruction_and_transform(t):
    runner, proto = start(t)
    stage = echo_stage(runner, proto)
    bundle = run(runner, stage, [b'log:a line with \xc3\xa9'])
    bundle.result()
    entry = runner.wait_log(lambda e: 'a line with' in e.message)
    equal((entry.instruction_id, entry.transform_id, entry.severity), (bundle.id, stage.leaf('Echo'),
                                                                       fn_pb2.LogEntry.Severity.WARN))
    assert entry.timestamp.seconds > 1600000000


def test_flush_by_size_before_the_end(t):
    runner, proto = start(t)
    stage = echo_stage(runner, proto)
    gate = Gate(t)
    bundle = run(runner, stage, [b'x' * (1 << 20) for _ in range(32)] + [gate.element])
    gate.reached()
    with runner.lock:
        runner.lock.wait_for(lambda: runner.inboxes[bundle.id].data, 20)
    inbox = runner.inboxes[bundle.id]
    assert inbox.data, 'nothing of 32 MiB was sent before the end of the bundle'
    assert max(len(block) for block in inbox.data[stage.sink()]) <= 16 << 20, 'blocks are too large'
    gate.open()
    equal(len(stage.values(bundle.output())), 33)


@ours_only('needs an experiment in another place')
def test_flush_by_time(t):
    runner, proto = start(t, options={'experiments': ['data_buffer_time_limit_ms=20']})
    stage = echo_stage(runner, proto)
    bundle = runner.bundle(stage).send(stage.source(), stage.encode([b'now']))
    with runner.lock:
        assert runner.lock.wait_for(lambda: runner.inboxes[bundle.id].data, 20), 'the output was held back'
    bundle.end_input()
    equal(stage.values(bundle.output()), [b'now'])


@slow(900)
def test_giant_elements(t):
    runner, proto = start(t)
    stage = echo_stage(runner, proto)
    size = 16 << 20 if lib.SANITIZER else 1 << 30 if lib.FULL else 256 << 20
    bundle = runner.bundle(stage).send(stage.source(), stage.encode([b'g' * size, b'small'])).end_input()
    output = bundle.output(timeout=600)
    prefix = (size.bit_length() + 6) // 7  # bytes of the length, in place of the one of b''
    equal(len(output), len(stage.encode([b'', b'small'])) + size + prefix - 1)
    assert output.count(b'g') == size
    made = runner.bundle(stage).send(stage.source(), stage.encode([b'big:%d' % size])).end_input()
    assert made.output(timeout=600).count(b'x') == size
    check_echo(runner, stage)


def recording_worker(path):
    return command() + ['--record_traffic=' + path]


@ours_only('records nothing')
def test_recorded_traffic(t):
    recording = t.path('traffic')
    runner, proto = start(t, template=recording_worker(recording))
    stage = echo_stage(runner, proto)
    equal(stage.values(run(runner, stage, [b'to and fro']).output()), [b'to and fro'])
    failed = run(runner, stage, [b'fail:this is an error'])
    failed.error()
    runner.finish()
    done = subprocess.run([lib.program('beamc-dump'), recording], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    equal((done.returncode, done.stderr), (0, ''))
    frames = re.split(r'(?m)^# \d+ ', done.stdout)[1:]
    for start_of_frame, text in (('< ', 'process_bundle_descriptor_id: "echo"'), ('< ', 'to and fro'), ('> ', 'to and fro'),
                                 ('> ', 'this is an error'), ('< ', 'beam:runner:source:v1')):
        assert [f for f in frames if f.startswith(start_of_frame) and text in f], '%s%s is not in %s' % (
            start_of_frame, text, done.stdout[:4000])
    for method in ('BeamFnControl/Control', 'BeamFnControl/GetProcessBundleDescriptor', 'BeamFnData/Data'):
        for direction in '<>':
            assert [f for f in frames if f.startswith(direction) and method in f.split('\n')[0]], direction + method


@ours_only('records nothing')
def test_a_recording_that_cannot_be_written(t):
    runner, _ = start(t, template=recording_worker(t.path('nowhere/traffic')))
    assert runner.worker_exit() != 0
    assert '--record_traffic=' in runner.worker_stderr(), runner.worker_stderr()


if __name__ == '__main__':
    lib.main(globals())
