#!/usr/bin/env python3
# tests/run: timeout=1800 sanitizers
"""Our worker against the scripted runner: side inputs, user state, cache tokens, timers, finalization."""
import lib

lib.use_beam_python()

import os

from apache_beam.coders import coder_impl
from apache_beam.portability.api import beam_fn_api_pb2 as fn_pb2
from apache_beam.portability.api import beam_runner_api_pb2 as pb
from apache_beam.transforms import userstate, window
from apache_beam.utils import timestamp, windowed_value

from fake_state import State, wait
from lib import equal
from stages import Stage, decode_nested, encode_nested
from worker_case import BYTES, STAND_IN, VARINT, fails_cleanly, ours_only, run, start

CacheToken = fn_pb2.ProcessBundleRequest.CacheToken
MULTIMAP = 'beam:side_input:multimap:v1'

# --- side inputs ---


class SideJoin:
    """The stage of the step SideJoin, and what its side inputs hold. They live behind the state service."""

    def __init__(self, t, **kwargs):
        self.runner, proto = start(t, 'side', **kwargs)
        self.stage = Stage(proto, ['SideJoin'], self.runner)
        self.step = self.stage.leaf('SideJoin')
        payload = pb.ParDoPayload.FromString(self.stage.steps[self.step].spec.payload)
        self.tags = {'map' if s.access_pattern.urn == MULTIMAP else 'list': tag for tag, s in payload.side_inputs.items()}

    def key(self, which, key=None):
        fields = dict(transform_id=self.step, side_input_id=self.tags[which], window=b'')
        if which == 'list':
            return State.key('iterable_side_input', **fields)
        return State.key('multimap_side_input', key=encode_nested(BYTES, [key]), **fields)

    def put(self, items, table):
        self.runner.state.put(self.key('list'), encode_nested(BYTES, items))
        for key, values in table.items():
            self.runner.state.put(self.key('map', key), encode_nested(VARINT, values))

    def run(self, values, **kwargs):
        return self.stage.values(run(self.runner, self.stage, values, **kwargs).output())

    def tokens(self, items, table):
        return [CacheToken(token=token, side_input=CacheToken.SideInput(
            transform_id=self.step, side_input_id=self.tags[which])) for which, token in (('list', items), ('map', table))]

    def gets(self):
        count, self.runner.state.requests = self.runner.state.count('get'), []
        return count


def test_side_inputs(t):
    side = SideJoin(t)
    side.put([b'ab', b'cde'], {b'k': [1, 2, 300], b'other': [9]})
    equal(side.run([b'k', b'nothing', b'k']), [b'k bytes=5 sum=303', b'nothing bytes=5 sum=0', b'k bytes=5 sum=303'])
    side.runner.finish()


@ours_only('has pages of whole elements')
def test_side_inputs_in_pages(t):
    side = SideJoin(t)
    side.put([b'x' * n for n in range(40)], {b'k': [1, 200, 70000, 3]})
    for page in (1, 2, 3, 7, 64, 1000):
        side.runner.state.page_bytes = page
        equal(side.run([b'k', b'k']), [b'k bytes=780 sum=70204'] * 2, 'with pages of %d bytes' % page)


@ours_only('caches nothing without a token')
def test_side_inputs_are_read_once_in_a_bundle(t):
    side = SideJoin(t)
    side.put([b'ab'], {b'k': [1]})
    side.run([b'k'] * 50)
    assert side.gets() <= 3, 'the same side inputs were read again and again'
    side.put([b'abc'], {b'k': [2]})
    equal(side.run([b'k']), [b'k bytes=3 sum=2'], 'without a token nothing may be kept for the next bundle')


def test_cache_tokens_of_side_inputs(t):
    side = SideJoin(t, options={'max_cache_memory_usage_mb': 10})
    side.put([b'ab'], {b'k': [1]})
    equal(side.run([b'k'], cache_tokens=side.tokens(b'list 1', b'map 1')), [b'k bytes=2 sum=1'])
    assert side.gets() >= 2
    equal(side.run([b'k'], cache_tokens=side.tokens(b'list 1', b'map 1')), [b'k bytes=2 sum=1'])
    equal(side.gets(), 0, 'reads with tokens that are known')
    side.put([b'abc'], {b'k': [2]})
    equal(side.run([b'k'], cache_tokens=side.tokens(b'list 2', b'map 1')), [b'k bytes=3 sum=1'])
    equal(side.gets(), 1, 'reads with one new token')
    equal(side.run([b'k']), [b'k bytes=3 sum=2'], 'without tokens')


@ours_only('has no bound to test')
def test_the_cache_is_bounded(t):
    side = SideJoin(t, options={'max_cache_memory_usage_mb': 1})
    side.put([b'a'], {b'%d' % i: [i] * 20000 for i in range(100)})
    tokens = side.tokens(b'l', b'm')
    for _ in range(2):
        equal(side.run([b'%d' % i for i in range(100)], cache_tokens=tokens)[7], b'7 bytes=1 sum=140000')
    assert side.gets() > 150, 'a cache of 1 MiB kept 2 MiB'


def test_state_error_fails_the_bundle_alone(t):
    side = SideJoin(t)
    side.put([b'ab'], {b'k': [1]})
    side.runner.state.hook = lambda request: fn_pb2.StateResponse(id=request.id, error='the store is on fire')
    error = run(side.runner, side.stage, [b'k']).error()
    assert 'the store is on fire' in error and (STAND_IN or 'SideJoin' in error), error
    side.runner.state.hook = None
    equal(side.run([b'k']), [b'k bytes=2 sum=1'])


@ours_only('trusts its input')
def test_state_that_is_malformed(t):
    side = SideJoin(t)
    side.put([], {})
    for data in (b'\x05ab', b'\xff' * 11, b'\x01a\x80'):
        side.runner.state.put(side.key('list'), data)
        assert run(side.runner, side.stage, [b'k']).error()
    side.put([b'fine'], {})
    equal(side.run([b'k']), [b'k bytes=4 sum=0'])


def lose_state(t, how):
    side = SideJoin(t)
    side.put([b'ab'], {b'k': [1]})
    side.runner.state.hook = lambda request: State.HOLD
    bundle = run(side.runner, side.stage, [b'k'])
    with side.runner.state.lock:
        wait(side.runner.state.lock, lambda: side.runner.state.requests, 'state request')
    how(side.runner)
    fails_cleanly(side.runner, bundle)


@ours_only('hangs')
def test_state_stream_broken(t):
    lose_state(t, lambda runner: runner.state_streams[-1].abort())


@ours_only('hangs')
def test_state_stream_ended(t):
    lose_state(t, lambda runner: runner.state_streams[-1].end())


@ours_only('hangs')
def test_state_server_gone(t):
    lose_state(t, lambda runner: runner.kill_server('state'))


@ours_only('hangs')
def test_garbage_on_the_state_stream(t):
    lose_state(t, lambda runner: runner.state_streams[-1].send(b'\x0a\xff\xff\xff\xff\x0f'))


@ours_only('raises in its reader thread')
def test_answers_that_nobody_asked_for(t):
    side = SideJoin(t)
    side.put([b'ab'], {b'k': [1]})
    side.run([b'k'])
    for answer in (fn_pb2.StateResponse(id='no such request'), fn_pb2.StateResponse()):
        side.runner.state_streams[-1].send(answer)
    equal(side.run([b'k']), [b'k bytes=2 sum=1'])


# --- groups that go on behind the state service ---


def test_state_backed_groups(t):
    runner, proto = start(t)
    stage = Stage(proto, ['GroupSum'], runner)
    data = stage.encode([(b'k', [1, 2, 3])])
    for coder in stage.descriptor.coders.values():
        if coder.spec.urn == 'beam:coder:iterable:v1':
            coder.spec.urn, coder.spec.payload = 'beam:coder:state_backed_iterable:v1', b'0'
    known, minus_one = b'\x00\x00\x00\x03\x01\x02\x03', b'\xff' * 9 + b'\x01'
    runner.state.put(State.key('runner', key=b'token'), encode_nested(VARINT, range(100, 1100)))
    whole = runner.bundle(stage).send(stage.source(), data).end_input()
    equal(stage.values(whole.output()), [(b'k', 6)])
    for page in (None, 1000, 2):
        runner.state.page_bytes = page
        backed = data.replace(known, b'\xff\xff\xff\xff\x02\x01\x02' + minus_one + b'\x05token')
        bundle = runner.bundle(stage).send(stage.source(), backed + data).end_input()
        equal(stage.values(bundle.output()), [(b'k', 3 + sum(range(100, 1100))), (b'k', 6)], 'pages of %s' % page)
    runner.state.hook = lambda request: fn_pb2.StateResponse(id=request.id, error='the group is lost')
    assert 'the group is lost' in runner.bundle(stage).send(stage.source(), backed).end_input().error()


# --- user state ---


class Bag:
    def __init__(self, t, **kwargs):
        self.runner, proto = start(t, 'state', **kwargs)
        self.stage = Stage(proto, ['Bag'], self.runner)

    def key(self, key, state='bag'):
        return State.key('bag_user_state', transform_id=self.stage.leaf('Bag'), user_state_id=state, window=b'',
                         key=encode_nested(BYTES, [key]))

    def stored(self, key, state='bag'):
        return decode_nested(VARINT, self.runner.state.get(self.key(key, state)))

    def start(self, pairs, **kwargs):
        return run(self.runner, self.stage, pairs, **kwargs)

    def run(self, pairs, **kwargs):
        return self.stage.values(self.start(pairs, **kwargs).output())


USER_TOKEN = [CacheToken(user_state=CacheToken.UserState(), token=b'user state 1')]


def test_user_state_is_read_and_written(t):
    bag = Bag(t)
    bag.runner.state.put(bag.key(b'k'), encode_nested(VARINT, [1, 2]))
    equal(bag.run([(b'k', 10), (b'l', 5), (b'k', 100)]), [(b'k', 13), (b'l', 5), (b'k', 113)])
    equal(bag.stored(b'k'), [1, 2, 10, 100])
    equal(bag.stored(b'l'), [5])
    equal(bag.stored(b'k', 'last'), [100])
    equal(bag.run([(b'k', 0), (b'k', 7)]), [(b'k', 0), (b'k', 7)])
    equal(bag.stored(b'k'), [7])
    bag.runner.finish()


@ours_only('has pages of whole elements')
def test_user_state_in_pages(t):
    bag = Bag(t)
    bag.runner.state.put(bag.key(b'k'), encode_nested(VARINT, list(range(1, 1001))))
    for number, page in enumerate((1, 3, 100), 1):
        bag.runner.state.page_bytes = page
        equal(bag.run([(b'k', 1)]), [(b'k', 500500 + number)], 'with pages of %d bytes' % page)


def test_cache_token_of_user_state(t):
    bag = Bag(t, options={'max_cache_memory_usage_mb': 10})
    bag.runner.state.put(bag.key(b'k'), encode_nested(VARINT, [1]))
    equal(bag.run([(b'k', 2)], cache_tokens=USER_TOKEN), [(b'k', 3)])
    before = bag.runner.state.count('get')
    equal(bag.run([(b'k', 4)], cache_tokens=USER_TOKEN), [(b'k', 7)])
    equal(bag.runner.state.count('get'), before, 'reads with a token that is known')
    equal(bag.stored(b'k'), [1, 2, 4], 'what was written through')
    bag.runner.state.put(bag.key(b'k'), encode_nested(VARINT, [50]))
    equal(bag.run([(b'k', 1)]), [(b'k', 51)], 'without a token')


@ours_only('keeps what a failed bundle wrote')
def test_a_failed_bundle_leaves_nothing_in_the_cache(t):
    bag = Bag(t, options={'max_cache_memory_usage_mb': 10})
    bag.run([(b'k', 2)], cache_tokens=USER_TOKEN)
    bag.runner.state.hook = lambda r: fn_pb2.StateResponse(id=r.id, error='no') if r.HasField('append') else None
    assert bag.start([(b'k', 1000)], cache_tokens=USER_TOKEN).error()
    bag.runner.state.hook = None
    equal(bag.run([(b'k', 1)], cache_tokens=USER_TOKEN), [(b'k', 3)])


def test_a_bundle_waits_for_the_acks_of_its_writes(t):
    bag = Bag(t)
    held = []

    def hold(request):
        if request.HasField('append'):
            held.append(request)
            return State.HOLD
        return None

    bag.runner.state.hook = hold
    bundle = bag.start([(b'k', 2)])
    with bag.runner.state.lock:
        wait(bag.runner.state.lock, lambda: held, 'append')
    try:
        bundle.response(0.5)
    except Exception as error:
        assert 'Timeout' in type(error).__name__, error
    else:
        raise AssertionError('the bundle was over before its writes were acknowledged')
    bag.runner.state.hook = None
    for request in list(held):
        bag.runner.state_streams[-1].send(bag.runner.state.answer(request))
    equal(bag.stage.values(bundle.output()), [(b'k', 2)])


@ours_only('does not look at the answers to its writes')
def test_a_write_that_fails_fails_the_bundle(t):
    bag = Bag(t)
    bag.runner.state.hook = lambda r: fn_pb2.StateResponse(id=r.id, error='disk full') if r.HasField('append') else None
    assert 'disk full' in bag.start([(b'k', 2)]).error()
    bag.runner.state.hook = None
    equal(bag.run([(b'k', 2)]), [(b'k', 2)])


# --- timers ---


class Alarm:
    def __init__(self, t):
        self.runner, proto = start(t, 'timers')
        self.stage = Stage(proto, ['Alarm'], self.runner)
        self.step = self.stage.leaf('Alarm')
        payload = pb.ParDoPayload.FromString(self.stage.steps[self.step].spec.payload)
        self.families = {next(n for n in ('alarm', 'tick') if n in f): f for f in payload.timer_family_specs}
        equal(len(self.families), 2)

    def encode(self, family, timers):
        impl, out = self.stage.timer_coder('Alarm', self.families[family]).get_impl(), coder_impl.create_OutputStream()
        for timer in timers:
            impl.encode_to_stream(timer, out, True)
        return out.get()

    def decode(self, family, data):
        return decode_nested(self.stage.timer_coder('Alarm', self.families[family]), data)


def timer(key, at_ms, tag='', hold_ms=None):
    at = timestamp.Timestamp(micros=at_ms * 1000)
    hold = at if hold_ms is None else timestamp.Timestamp(micros=hold_ms * 1000)
    return userstate.Timer(key, tag, (window.GlobalWindow(),), False, at, hold, windowed_value.PANE_INFO_UNKNOWN)


def test_timers_are_set(t):
    alarm = Alarm(t)
    bundle = run(alarm.runner, alarm.stage, [(b'k', 5000), (b'l', 7)])
    equal(alarm.stage.values(bundle.output()), [])
    for family, tag, late in (('alarm', '', 0), ('tick', 'tag', 1)):
        found = alarm.decode(family, bundle.timers(alarm.step, alarm.families[family]))
        equal([(x.user_key, x.dynamic_timer_tag, x.fire_timestamp.micros // 1000, x.clear_bit) for x in found],
              [(b'k', tag, 5000 + late, False), (b'l', tag, 7 + late, False)], family)


def test_timers_fire(t):
    alarm = Alarm(t)
    bundle = alarm.runner.bundle(alarm.stage)
    bundle.send_timers(alarm.step, alarm.families['alarm'], alarm.encode('alarm', [timer(b'k', 5000), timer(b'l', 6000)]))
    bundle.send_timers(alarm.step, alarm.families['tick'], alarm.encode('tick', [timer(b'k', 5001, 'tag', 4000)]))
    bundle.end_input()
    equal(sorted(alarm.stage.values(bundle.output())), [(b'k/0/', 5000), (b'k/1/tag', 5001), (b'l/0/', 6000)])
    alarm.runner.finish()


def test_timers_need_an_end_of_each_family(t):
    alarm = Alarm(t)
    bundle = alarm.runner.bundle(alarm.stage).send(alarm.stage.source(), b'', last=True)
    bundle.send_timers(alarm.step, alarm.families['alarm'], b'', last=True)
    try:
        bundle.response(0.5)
    except Exception as error:
        assert 'Timeout' in type(error).__name__, error
    else:
        raise AssertionError('the bundle did not wait for the end of the second timer family')
    bundle.end_input().result()


@ours_only('trusts its input')
def test_malformed_timers(t):
    alarm = Alarm(t)
    whole = alarm.encode('alarm', [timer(b'k', 5000)])
    for cut in range(1, len(whole)):
        bundle = alarm.runner.bundle(alarm.stage).send_timers(alarm.step, alarm.families['alarm'], whole[:cut])
        assert bundle.end_input().error(), 'cut at %d' % cut
    equal(len(alarm.stage.values(alarm.runner.bundle(alarm.stage).send_timers(
        alarm.step, alarm.families['alarm'], whole).end_input().output())), 1)


# --- finalization ---


def test_finalization(t):
    runner, proto = start(t, 'finalize')
    stage = Stage(proto, ['Finalize'], runner)
    first, second = t.path('first'), t.path('second')
    bundle = run(runner, stage, [first.encode()])
    assert bundle.result().requires_finalization
    other = run(runner, stage, [second.encode()])
    other.result()
    assert not os.path.exists(first)
    bundle.finalize()
    assert os.path.exists(first) and not os.path.exists(second)
    empty = runner.bundle(stage).end_input().result()
    assert not empty.requires_finalization, 'a bundle without callbacks asks for finalization'
    runner.finish()
    assert not os.path.exists(second), 'a bundle that was never committed was finalized'


@ours_only('answers with an error')
def test_finalization_of_unknown_and_finished_bundles(t):
    runner, proto = start(t, 'finalize')
    stage = Stage(proto, ['Finalize'], runner)
    bundle = run(runner, stage, [t.path('file').encode()])
    bundle.result()
    bundle.finalize()
    bundle.finalize()
    runner.ask('finalize_bundle', message=fn_pb2.FinalizeBundleRequest(instruction_id='never seen'))


if __name__ == '__main__':
    lib.main(globals())
