#!/usr/bin/env python3
# tests/run: timeout=1800 sanitizers
"""Our worker against the scripted runner: what is wrong, broken, hostile or gone. Never a hang, a crash, a wrong result."""
import lib

lib.use_beam_python()

import os
import random
import time

import grpc
from apache_beam.portability.api import beam_fn_api_pb2 as fn_pb2
from apache_beam.portability.api import beam_runner_api_pb2 as pb

from fake_runner import WorkerGone
from lib import equal
from stages import Stage
from worker_case import (Gate, check_echo, clear_line, command, echo_stage, fails_cleanly, ours_only,
                         rss_bytes, run, slow, start)

# --- instructions ---


@ours_only('ends at an unknown arm')
def test_unknown_and_missing_instruction_arms(t):
    runner, proto = start(t)
    stage = echo_stage(runner, proto)
    bundle = runner.bundle(stage)
    for name, tail in (('no-arm', b''), ('arm-1050', b'\xd2\x41\x02\x08\x01'), ('arm-1999', b'\xfa\x7c\x00')):
        raw = fn_pb2.InstructionRequest(instruction_id=name).SerializeToString() + tail
        response = runner.request(instruction_id=name, raw=raw).result(20)
        assert response.error, '%s was answered without an error' % name
    bundle.send(stage.source(), stage.encode([b'unharmed'])).end_input()
    equal(stage.values(bundle.output()), [b'unharmed'])
    runner.finish()


def test_unknown_descriptor(t):
    runner, proto = start(t)
    stage = echo_stage(runner, proto)
    check_echo(runner, stage)
    bundle = runner.bundle(Stage(proto, ['Echo'], runner, 'missing'), start=False)
    del runner.descriptors['missing']
    assert 'missing' in bundle.start().end_input().error()
    check_echo(runner, stage)


@ours_only('has other URNs')
def test_unknown_dofn_and_foreign_config(t):
    runner, proto = start(t)
    good = echo_stage(runner, proto)
    for name, change, words in (('urn', lambda fn: setattr(fn, 'urn', 'acme:dofn:unheard_of:v7'), 'acme:dofn:unheard_of:v7'),
                                ('cut', lambda fn: setattr(fn, 'payload', fn.payload[:-1]), 'RowStep'),
                                ('noise', lambda fn: setattr(fn, 'payload', b'\xff' * 9), 'RowStep')):
        stage = Stage(proto, ['RowStep'], runner, name)
        spec = stage.descriptor.transforms[stage.leaf('RowStep')].spec
        payload = pb.ParDoPayload.FromString(spec.payload)
        change(payload.do_fn)
        spec.payload = payload.SerializeToString()
        error = runner.bundle(stage).error()
        assert words in error, '%s: %r is not in: %s' % (name, words, error)
        check_echo(runner, good)
    runner.finish()


@slow(120)
@ours_only('is not built for that')
def test_damaged_descriptors(t):
    runner, proto = start(t)
    good = echo_stage(runner, proto)
    check_echo(runner, good)
    stage = Stage(proto, ['Flatten', 'Echo', 'Pair'], runner, 'damaged')
    whole = stage.descriptor.SerializeToString(deterministic=True)
    chance = random.Random(7)

    def damage(number):
        if number < 10:  # truncated
            return whole[:chance.randrange(len(whole))]
        damaged = bytearray(whole)
        for _ in range(chance.randrange(1, 6)):
            damaged[chance.randrange(len(damaged))] = chance.randrange(256)
        return bytes(damaged)

    descriptors = {'damaged-%d' % i: damage(i) for i in range(60)}
    descriptors['empty'] = b''
    loop = fn_pb2.ProcessBundleDescriptor()
    loop.CopyFrom(stage.descriptor)
    for coder in loop.coders.values():
        coder.spec.urn = 'beam:coder:kv:v1'
        coder.component_coder_ids[:] = [next(iter(loop.coders))] * 2
    descriptors['coder loop'] = loop.SerializeToString()
    cycle = fn_pb2.ProcessBundleDescriptor()
    cycle.CopyFrom(stage.descriptor)
    echo = cycle.transforms[stage.leaf('Echo')]
    for tag in echo.inputs:
        echo.inputs[tag] = list(echo.outputs.values())[0]
    descriptors['transform loop'] = cycle.SerializeToString()
    runner.descriptor_hook = lambda request, _: descriptors.get(request.process_bundle_descriptor_id)
    for name in descriptors:
        request = fn_pb2.ProcessBundleRequest(process_bundle_descriptor_id=name)
        future = runner.request('process_bundle', request)
        if name in ('empty', 'coder loop', 'transform loop'):
            assert future.result(20).error, name
    check_echo(runner, good)  # some of the damaged ones may wait for input; the worker lives and works


# --- DoFns that fail ---


def test_failed_bundle_then_good_bundles(t):
    runner, proto = start(t)
    stage = echo_stage(runner, proto)
    for verb in (b'fail', b'unavailable'):
        bad = run(runner, stage, [b'a', verb + b':because', b'b'])
        error = bad.error()
        assert 'because' in error and 'Echo' in error, error
        check_echo(runner, stage)
    runner.finish()


def test_failure_in_the_middle_of_the_input(t):
    runner, proto = start(t)
    stage = echo_stage(runner, proto)
    bad = runner.bundle(stage).send(stage.source(), stage.encode([b'fail:early']))
    assert 'early' in bad.error()
    for _ in range(50):  # what the runner had already sent for the failed bundle is dropped
        bad.send(stage.source(), stage.encode([b'x' * (1 << 20)]))
    bad.end_input()
    check_echo(runner, stage)
    split = runner.request('process_bundle_split', message=bad.split_request()).result(20)
    assert split.error or not split.process_bundle_split.channel_splits
    check_echo(runner, stage)


def test_other_open_bundles_do_not_notice_a_failure(t):
    runner, proto = start(t)
    stage = echo_stage(runner, proto)
    gate = Gate(t)
    bystander = run(runner, stage, [gate.element, b'after'])
    gate.reached()
    for _ in range(10):
        run(runner, stage, [b'fail:x']).error()
    gate.open()
    equal(stage.values(bystander.output()), [gate.element, b'after'])


@ours_only('prints no trace of C')
def test_crash_names_the_transform(t):
    runner, proto = start(t)
    stage = echo_stage(runner, proto)
    bundle = run(runner, stage, [b'a', b'crash:'])
    try:
        raise AssertionError('a response after a crash: %s' % bundle.response())
    except WorkerGone:
        pass
    assert runner.worker_exit() != 0
    text = runner.worker_stderr()
    assert stage.leaf('Echo') in text or 'Echo' in text, 'the trace does not name the transform: ' + text[-2000:]
    assert bundle.id in text, 'the trace does not name the instruction'
    assert text.count('\n') > 3, 'no stack trace: ' + text


# --- malformed elements ---


@ours_only('trusts its input')
def test_truncated_and_malformed_elements(t):
    runner, proto = start(t)
    stage = echo_stage(runner, proto)
    whole = stage.encode([b'payload'])
    header = whole[:len(whole) - 8]  # timestamp, windows, pane
    bad = [whole + whole[:n] for n in range(1, len(whole))]
    bad += [header, header + b'\xff\xff\xff\xff\x0f', header + b'\xff' * 11, header + b'\x80' * 9 + b'\x01x',
            whole[:8] + b'\x7f\xff\xff\xff' + whole[12:], whole[:8] + b'\xff\xff\xff\xfe' + whole[12:],
            whole[:12] + b'\x10' + whole[13:15], whole[:12] + b'\x20\xff']
    for number, data in enumerate(bad):
        bundle = runner.bundle(stage).send(stage.source(), data).end_input()
        error = bundle.error()
        assert error, 'case %d' % number
        if number % 8 == 0:
            check_echo(runner, stage)
    check_echo(runner, stage)


def test_malformed_rows_and_groups(t):
    runner, proto = start(t)
    rows = Stage(proto, ['RowStep'], runner, 'rows')
    make = Stage(proto, ['MakeRow'], runner, 'make')
    whole = run(runner, make, [b'abcdef']).output()
    for cut in range(1, len(whole)):
        assert runner.bundle(rows).send(rows.source(), whole[:cut]).end_input().error()
    groups = Stage(proto, ['GroupSum'], runner, 'groups')
    data = groups.encode([(b'k', [1, 2, 3])])
    known = b'\x00\x00\x00\x03\x01\x02\x03'
    for damaged in (b'\x7f\xff\xff\xff\x01', b'\x00\x00\x00\x04\x01\x02\x03', b'\xff\xff\xff\xff\xff\xff\xff\xff\x7f\x01',
                    b'\xff\xff\xff\xff\x02\x01', b'\xff\xff\xff\xff\x01\x01', b'\xff\xff\xff\xf0\x01\x02'):
        assert runner.bundle(groups).send(groups.source(), data.replace(known, damaged)).end_input().error()
    check_echo(runner, echo_stage(runner, proto))


test_malformed_rows_and_groups = ours_only('trusts its input')(test_malformed_rows_and_groups)


@ours_only('waits for ever')
def test_elements_for_a_transform_that_is_not_there(t):
    runner, proto = start(t)
    stage = echo_stage(runner, proto)
    bundle = runner.bundle(stage).send('nobody', b'\x00' * 30).send(stage.source(), stage.encode([b'mine'])).end_input()
    response = bundle.response()
    if not response.error:
        equal(stage.values(bundle.output()), [b'mine'])
    sinks = runner.bundle(stage).send(stage.sink(), stage.encode([b'into the sink'])).end_input()
    sinks.response()
    timers = runner.bundle(stage)
    runner.send_elements(timers.timer_elements(stage.leaf('Echo'), 'no family', b'\x00', True))
    timers.end_input().response()
    check_echo(runner, stage)


def test_input_after_its_end(t):
    runner, proto = start(t)
    stage = Stage(proto, ['Flatten', 'Echo'], runner)
    first, second = stage.sources
    bundle = runner.bundle(stage).send(first, stage.encode([b'1'], first)).send(first, b'', last=True)
    bundle.send(first, stage.encode([b'too late'], first)).send(first, b'', last=True)
    bundle.send(second, b'', last=True)
    if not bundle.response().error:
        assert b'1' in stage.values(bundle.output())
    check_echo(runner, echo_stage(runner, proto))


# --- frames that are no messages ---

GARBAGE = [b'\x0a', b'\x0a\x05abc', b'\xff' * 12, b'\x0a\xff\xff\xff\xff\x0f', b'\x0a\x02\x0a\x40', b'\x0b\x0b\x0b\x0b',
           b'\x0a\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x01', bytes(range(256))]


@slow(120)
@ours_only('is not built for that')
def test_garbage_on_the_data_stream(t):
    for frame in GARBAGE:
        runner, proto = start(t)
        stage = echo_stage(runner, proto)
        bundle = runner.bundle(stage)
        runner.send_elements(frame)
        if fails_cleanly(runner, bundle):
            check_echo(runner, stage)
        runner.close()


@slow(120)
def test_garbage_on_the_control_stream(t):
    for frame in GARBAGE:
        runner, proto = start(t)
        bundle = runner.bundle(echo_stage(runner, proto))
        runner.data_stream()
        runner.control.send(frame)
        try:
            if fails_cleanly(runner, bundle):
                check_echo(runner, echo_stage(runner, proto, 'again'))
        except TimeoutError:  # the frame was refused by itself; then everything else must still work
            check_echo(runner, echo_stage(runner, proto, 'again'))
        runner.close()


test_garbage_on_the_control_stream = ours_only('is not built for that')(test_garbage_on_the_control_stream)


# --- lost streams ---


def lose_data(t, how):
    runner, proto = start(t)
    stage = echo_stage(runner, proto)
    check_echo(runner, stage)
    waiting = runner.bundle(stage).send(stage.source(), stage.encode([b'a']))
    gate = Gate(t)
    busy = runner.bundle(stage).send(stage.source(), stage.encode([gate.element, b'b']))
    gate.reached()
    how(runner)
    time.sleep(0.2)
    gate.open()
    fails_cleanly(runner, waiting, busy)


@ours_only('hangs')
def test_data_stream_broken(t):
    lose_data(t, lambda runner: runner.data_stream().abort(grpc.StatusCode.UNAVAILABLE))


def test_data_stream_ended_too_early(t):
    lose_data(t, lambda runner: runner.data_stream().end())


@ours_only('hangs')
def test_data_server_gone(t):
    lose_data(t, lambda runner: runner.kill_server('data'))


test_data_stream_ended_too_early = ours_only('hangs')(test_data_stream_ended_too_early)


def test_end_of_control_is_a_clean_exit(t):
    runner, proto = start(t)
    stage = echo_stage(runner, proto)
    check_echo(runner, stage)
    runner.finish()


def test_end_of_control_before_any_instruction(t):
    runner, _ = start(t)
    runner.wait_connected()
    runner.finish()


@ours_only('waits for the bundle')
def test_end_of_control_with_open_bundles(t):
    runner, proto = start(t)
    stage = echo_stage(runner, proto)
    runner.bundle(stage).send(stage.source(), stage.encode([b'never ended']))
    gate = Gate(t)
    run(runner, stage, [gate.element])
    gate.reached()
    runner.end_control()
    time.sleep(0.2)
    gate.open()
    equal(runner.worker_exit(), 0, 'exit code')


@ours_only('exits with 0')
def test_control_stream_broken(t):
    runner, proto = start(t)
    stage = echo_stage(runner, proto)
    check_echo(runner, stage)
    runner.bundle(stage)
    runner.data_stream()
    runner.break_control()
    clear_line(runner, 'control')


def test_control_server_gone(t):
    runner, proto = start(t)
    check_echo(runner, echo_stage(runner, proto))
    runner.kill_server('control')
    clear_line(runner, 'control')


@ours_only('blocks')
def test_logging_server_gone_does_no_harm(t):
    runner, proto = start(t)
    stage = echo_stage(runner, proto)
    check_echo(runner, stage)
    runner.kill_server('logging')
    for number in range(20):
        run(runner, stage, [b'log:%d' % number] * 500).result()
    runner.finish()


test_control_server_gone = ours_only('exits with 0')(test_control_server_gone)


# --- much data ---


@slow(180)
@ours_only('stops the shared reader')
def test_full_inbox_of_a_bundle_that_has_not_started(t):
    runner, proto = start(t)
    stage = echo_stage(runner, proto)
    check_echo(runner, stage)
    later = runner.bundle(stage, start=False)
    block = stage.encode([b'y' * (1 << 20)])
    for _ in range(64):
        later.send(stage.source(), block)
    later.end_input()
    for _ in range(3):
        check_echo(runner, stage)
    output = later.start().output(timeout=60)
    equal(output, block * 64)


@slow(180)
def test_slow_dofn_pushes_back(t):
    runner, proto = start(t)
    stage = echo_stage(runner, proto)
    check_echo(runner, stage)
    before = rss_bytes(runner)
    gate = Gate(t)
    bundle = runner.bundle(stage).send(stage.source(), stage.encode([gate.element]))
    gate.reached()
    block = stage.encode([b'z' * (1 << 20)])
    for _ in range(400):
        bundle.send(stage.source(), block)
    bundle.end_input()
    time.sleep(2)
    grown = rss_bytes(runner) - before
    gate.open()
    equal(bundle.output(timeout=120).count(block), 400)
    if not lib.SANITIZER:
        assert grown < 150 << 20, 'the worker took in %d MiB while its DoFn was waiting' % (grown >> 20)


def test_data_for_bundles_that_never_start(t):
    runner, proto = start(t)
    stage = echo_stage(runner, proto)
    check_echo(runner, stage)
    for number in range(2000):
        ghost = runner.bundle(stage, start=False, instruction_id='ghost-%d' % number)
        ghost.send(stage.source(), stage.encode([b'boo' * 100])).end_input()
    check_echo(runner, stage)
    runner.finish()


# --- starting ---


@ours_only('takes no flags')
def test_provision_endpoint_alone_and_a_quoted_id(t):
    runner, proto = start(t, template=command() + ["--id='{id}'", '--provision_endpoint={provision}'])
    check_echo(runner, echo_stage(runner, proto))
    for service, metadata in runner.calls:
        equal([v for k, v in metadata if k == 'worker_id'], [runner.worker_id], 'worker_id on ' + service)
    equal({s for s, _ in runner.calls} - {'status', 'state', 'artifact'},
          {'provision', 'logging', 'control', 'descriptor', 'data'})
    runner.finish()


def test_worker_id_on_every_call_exactly_once(t):
    runner, proto = start(t)
    check_echo(runner, echo_stage(runner, proto))
    runner.worker_status()
    for service, metadata in runner.calls:
        equal([v for k, v in metadata if k == 'worker_id'], [runner.worker_id], 'worker_id on ' + service)


def test_worker_status_while_a_bundle_runs(t):
    runner, proto = start(t)
    stage = echo_stage(runner, proto)
    gate = Gate(t)
    bundle = run(runner, stage, [gate.element])
    gate.reached()
    assert bundle.id in runner.worker_status().status_info, 'the status does not list the open bundle'
    gate.open()
    bundle.result()


@ours_only('is told by another program')
def test_artifacts_are_fetched_and_checked(t):
    content = bytes(random.Random(1).randbytes(3 << 20))

    def stage_files(runner):
        runner.stage('data.bin', content)
        runner.stage('folder/small.txt', b'small')

    runner, proto = start(t, prepare=stage_files)
    check_echo(runner, echo_stage(runner, proto))
    found = {}
    for folder, _, names in os.walk(t.path()):
        found.update({name: os.path.join(folder, name) for name in names})
    with open(found['data.bin'], 'rb') as file:
        equal(file.read() == content, True, 'content of the artifact')
    assert found['small.txt'].endswith('folder/small.txt')
    runner.finish()


@ours_only('is told by another program')
def test_artifact_with_a_false_hash(t):
    runner, _ = start(t, prepare=lambda r: r.stage('data.bin', b'content', false_hash='0' * 64))
    clear_line(runner, 'data.bin')


@ours_only('is told by another program')
def test_artifact_that_climbs_out(t):
    for name in ('../escaped.txt', '/tmp/beamc-escaped.txt', 'a/../../../escaped.txt'):
        runner, _ = start(t, prepare=lambda r: r.stage(name, b'content'))
        clear_line(runner)
        assert not os.path.exists('/tmp/beamc-escaped.txt') and not os.path.exists(t.path('..', 'escaped.txt'))
        runner.close()


@ours_only('takes no flags')
def test_wrong_command_lines(t):
    for flags in (['--id=x'], ['--control_endpoint=localhost:1'], ['--id=x', '--control_endpoint='],
                  ['--id=x', '--control_endpoint=localhost:1', '--no_such_flag=1']):
        result = t.run(command() + flags, check=False, timeout=20)
        assert result.code > 0 and not result.timed_out, '%s: exit code %s' % (flags, result.code)
        assert 1 <= len(result.stderr.splitlines()) <= 3, '%s: %s' % (flags, result.stderr)


@slow(120)
@ours_only('takes no flags')
def test_nobody_at_the_control_endpoint(t):
    result = t.run(command() + ['--id=x', '--control_endpoint=localhost:1', '--logging_endpoint=localhost:1'],
                   check=False, timeout=100)
    assert result.code > 0 and not result.timed_out
    assert 'localhost:1' in result.stderr, result.stderr


if __name__ == '__main__':
    lib.main(globals())
