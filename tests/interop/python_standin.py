"""The DoFns of programs/protocol_dofns.c once more, in Python, under the same step names and coders."""
import logging
import os
import time
import typing

import apache_beam as beam
from apache_beam.coders import VarIntCoder
from apache_beam.metrics import Metrics
from apache_beam.transforms import userstate, window
from apache_beam.transforms.timeutil import TimeDomain
from apache_beam.utils import timestamp, windowed_value

Pairs = beam.typehints.Tuple[bytes, int]


def touch(path):
    with open(path, 'w'):
        pass


class Echo(beam.DoFn):
    def __init__(self):
        self.elements = Metrics.counter('interop', 'elements')
        self.bytes = Metrics.distribution('interop', 'bytes')
        self.last = Metrics.gauge('interop', 'last')
        self.verbs = Metrics.string_set('interop', 'verbs')

    def process(self, element):
        self.elements.inc()
        self.bytes.update(len(element))
        verb, colon, arg = element[:4096].decode('latin-1').partition(':')
        if colon and len(element) < 4096:
            self.last.set(len(element))
            self.verbs.add(verb)
            if verb == 'fail':
                raise ValueError('told to fail: ' + arg)
            if verb == 'unavailable':
                raise OSError('told to be unavailable: ' + arg)
            if verb == 'crash':
                os.kill(os.getpid(), 11)
            if verb == 'drop':
                return
            if verb == 'many':
                for i in range(int(arg)):
                    yield str(i).encode()
                return
            if verb == 'big':
                yield b'x' * int(arg)
                return
            if verb == 'wait':
                touch(arg + '.started')
                while not os.path.exists(arg):
                    time.sleep(0.001)
            if verb == 'log':
                logging.warning(arg)
        yield element


class BundleCount(beam.DoFn):
    bundles = 0

    def start_bundle(self):
        self.bundles += 1
        self.elements = 0

    def process(self, element):
        self.elements += 1

    def finish_bundle(self):
        yield windowed_value.WindowedValue((self.bundles, self.elements), window.GlobalWindow().max_timestamp(),
                                           (window.GlobalWindow(),))


class Pair(beam.DoFn):
    def process(self, element):
        if len(element) > 8:
            yield beam.pvalue.TaggedOutput('long', element)
        yield (element, len(element))


@beam.typehints.with_input_types(int)
@beam.typehints.with_output_types(int)
class SumInts(beam.CombineFn):
    def create_accumulator(self):
        return 0

    def add_input(self, total, value):
        return total + value

    def merge_accumulators(self, totals):
        return sum(totals)

    def extract_output(self, total):
        return total


class GroupSum(beam.DoFn):
    def process(self, kv):
        first, second = sum(kv[1]), sum(kv[1])
        assert first == second
        yield (kv[0], first)


class Item(typing.NamedTuple):
    id: str
    n: int
    note: typing.Optional[str]


beam.coders.registry.register_coder(Item, beam.coders.RowCoder)


def make_row(element):
    return Item(element.decode(), len(element), None)


def row_step(row):
    return row._replace(n=row.n + 10)


def side_join(element, sizes, table):
    return b'%s bytes=%d sum=%d' % (element, sum(len(s) for s in sizes), sum(table[element]))


class Bag(beam.DoFn):
    BAG = userstate.BagStateSpec('bag', VarIntCoder())
    LAST = userstate.ReadModifyWriteStateSpec('last', VarIntCoder())

    def process(self, kv, bag=beam.DoFn.StateParam(BAG), last=beam.DoFn.StateParam(LAST)):
        if kv[1] == 0:
            bag.clear()
        else:
            bag.add(kv[1])
        last.write(kv[1])
        yield (kv[0], sum(bag.read()))


class Alarm(beam.DoFn):
    ALARM = userstate.TimerSpec('alarm', TimeDomain.WATERMARK)
    TICK = userstate.TimerSpec('tick', TimeDomain.REAL_TIME)

    def process(self, kv, alarm=beam.DoFn.TimerParam(ALARM), tick=beam.DoFn.TimerParam(TICK)):
        alarm.set(timestamp.Timestamp(micros=kv[1] * 1000))
        tick.set(timestamp.Timestamp(micros=(kv[1] + 1) * 1000), dynamic_timer_tag='tag')
        return []

    @userstate.on_timer(ALARM)
    def on_alarm(self, key=beam.DoFn.KeyParam, at=beam.DoFn.TimestampParam):
        yield (key + b'/0/', at.micros // 1000)

    @userstate.on_timer(TICK)
    def on_tick(self, key=beam.DoFn.KeyParam, tag=beam.DoFn.DynamicTimerTagParam, at=beam.DoFn.TimestampParam):
        yield (key + b'/1/' + tag.encode(), at.micros // 1000)


class Finalize(beam.DoFn):
    def process(self, element, finalizer=beam.DoFn.BundleFinalizerParam):
        finalizer.register(lambda: touch(element.decode()))
        yield element


def _pairs(source, label, dofn):
    return source | label >> beam.ParDo(dofn).with_output_types(Pairs)


def _basic(p):
    lines = (p | 'In' >> beam.Impulse(), p | 'Also' >> beam.Impulse()) | 'Flatten' >> beam.Flatten()
    echoed = lines | 'Echo' >> beam.ParDo(Echo()).with_output_types(bytes)
    echoed | 'BundleCount' >> beam.ParDo(BundleCount()).with_output_types(beam.typehints.Tuple[int, int])
    both = echoed | 'Pair' >> beam.ParDo(Pair()).with_outputs('long', main='out')
    pairs, long = both.out, both.long
    pairs.element_type, long.element_type = Pairs, bytes
    long | 'EchoLong' >> beam.ParDo(Echo()).with_output_types(bytes)
    pairs | 'Sum' >> beam.CombinePerKey(SumInts())
    pairs | 'Group' >> beam.GroupByKey() | 'GroupSum' >> beam.ParDo(GroupSum()).with_output_types(Pairs)
    minutes = pairs | 'Minute' >> beam.WindowInto(window.FixedWindows(60))
    minutes | 'SumByMinute' >> beam.CombinePerKey(SumInts())
    rows = echoed | 'MakeRow' >> beam.Map(make_row).with_output_types(Item)
    rows | 'RowStep' >> beam.Map(row_step).with_output_types(Item)


def _side(p):
    sizes = p | 'List' >> beam.Impulse() | 'ListEcho' >> beam.ParDo(Echo()).with_output_types(bytes)
    table = _pairs(p | 'Map' >> beam.Impulse(), 'MapPair', beam.Map(lambda b: (b, len(b))).dofn)
    main = p | 'In' >> beam.Impulse()
    main | 'SideJoin' >> beam.Map(side_join, beam.pvalue.AsIter(sizes),
                                  beam.pvalue.AsMultiMap(table)).with_output_types(bytes)


def _state(p):
    _pairs(_pairs(p | 'In' >> beam.Impulse(), 'Pair', beam.Map(lambda b: (b, len(b))).dofn), 'Bag', Bag())


def _timers(p):
    _pairs(_pairs(p | 'In' >> beam.Impulse(), 'Pair', beam.Map(lambda b: (b, len(b))).dofn), 'Alarm', Alarm())


def _finalize(p):
    p | 'In' >> beam.Impulse() | 'Finalize' >> beam.ParDo(Finalize()).with_output_types(bytes)


def pipeline(set_name):
    p = beam.Pipeline(options=beam.options.pipeline_options.PipelineOptions([]))
    {'basic': _basic, 'side': _side, 'state': _state, 'timers': _timers, 'finalize': _finalize}[set_name](p)
    return p.to_runner_api()
