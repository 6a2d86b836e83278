#!/usr/bin/env python3
# tests/run: timeout=300
"""Reads the pipelines that we lower with Beam's own Python SDK. Prints TAP.

build/<variant>/tests/graph/programs/lower_cases prints the protos. Each must parse with the official
descriptors, be whole (every id resolves, names are unique), have coders and windowings that Beam can
instantiate, and survive the optimizer of Beam's own local runner. Then the details of each case.
"""
import copy
import importlib.util
import os
import subprocess
import sys

ROOT = os.environ.get("BEAMC_ROOT") or os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BUILD = os.environ.get("BEAMC_BUILD") or os.path.join(ROOT, "build", "release")
PROGRAM = os.environ.get("LOWER_CASES") or os.path.join(BUILD, "tests", "graph", "programs", "lower_cases")


def reenter_with_beam():
    if importlib.util.find_spec("apache_beam") or os.environ.get("BEAMC_REENTERED"):
        return
    venv = subprocess.run([os.path.join(ROOT, "scripts", "beam-venv")], stdout=subprocess.PIPE, text=True, check=False)
    if venv.returncode != 0:
        if os.environ.get("CI") == "true":
            print("not ok 1 - apache-beam 2.77.0 cannot be installed\n1..1")
            sys.exit(1)
        print("1..0 # SKIP apache-beam 2.77.0 cannot be installed (scripts/beam-venv)")
        sys.exit(0)
    os.environ["BEAMC_REENTERED"] = "1"
    python = venv.stdout.strip()
    os.execv(python, [python, os.path.abspath(__file__)] + sys.argv[1:])


reenter_with_beam()

# pylint: disable=wrong-import-position
from apache_beam import coders  # noqa: E402
from apache_beam.portability import common_urns  # noqa: E402
from apache_beam.portability.api import beam_runner_api_pb2 as api  # noqa: E402
from apache_beam.runners import pipeline_context  # noqa: E402
from apache_beam.runners.portability.fn_api_runner import translations  # noqa: E402
from apache_beam.transforms import trigger, window  # noqa: E402

PARDO = "beam:transform:pardo:v1"
GBK = "beam:transform:group_by_key:v1"
NO_ENVIRONMENT = {"beam:transform:impulse:v1", GBK, "beam:transform:teststream:v1"}


class Tap:
    def __init__(self):
        self.count = self.failed = 0

    def check(self, name, test):
        self.count += 1
        try:
            test()
            print(f"ok {self.count} - {name}")
        except Exception as e:  # pylint: disable=broad-except
            self.failed += 1
            print(f"not ok {self.count} - {name}")
            for line in f"{type(e).__name__}: {e}".splitlines()[:30]:
                print(f"# {line}")

    def finish(self):
        print(f"1..{self.count}")
        return 1 if self.failed else 0


def equal(got, want, what=""):
    assert got == want, f"{what}: got {got!r}, want {want!r}"


def lower(name):
    return subprocess.run([PROGRAM, name], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=True).stdout


def parse(data):
    p = api.Pipeline()
    p.ParseFromString(data)
    return p


# ------------------------------------------------------------------------------ for every pipeline


def pardo_of(t):
    return api.ParDoPayload.FromString(t.spec.payload)


def coder_ids(p):
    """Every place in a pipeline that names a coder."""
    for c in p.components.coders.values():
        yield from c.component_coder_ids
    for pc in p.components.pcollections.values():
        yield pc.coder_id
    for w in p.components.windowing_strategies.values():
        yield w.window_coder_id
    for t in p.components.transforms.values():
        if t.spec.urn == PARDO:
            payload = pardo_of(t)
            if payload.restriction_coder_id:
                yield payload.restriction_coder_id
            for f in payload.timer_family_specs.values():
                yield f.timer_family_coder_id
            for s in payload.state_specs.values():
                spec = getattr(s, s.WhichOneof("spec"))
                for field, value in spec.ListFields():
                    if field.name.endswith("coder_id"):
                        yield value
        elif t.spec.urn == "beam:transform:combine_per_key:v1":
            yield api.CombinePayload.FromString(t.spec.payload).accumulator_coder_id
        elif t.spec.urn == "beam:transform:teststream:v1":
            yield api.TestStreamPayload.FromString(t.spec.payload).coder_id


def standard_coder_urns():
    for value in api.StandardCoders.Enum.DESCRIPTOR.values:
        yield value.GetOptions().Extensions[api.beam_urn]


def whole(p):
    c = p.components
    for cid in coder_ids(p):
        assert cid in c.coders, f"coder {cid!r}"
    made = {}
    parents = {}
    for tid, t in c.transforms.items():
        assert t.unique_name, tid
        for pc in list(t.inputs.values()) + list(t.outputs.values()):
            assert pc in c.pcollections, f"{tid}: PCollection {pc!r}"
        for child in t.subtransforms:
            assert child in c.transforms, f"{tid}: subtransform {child!r}"
            assert child not in parents, f"{child} has two parents"
            parents[child] = tid
        if t.subtransforms:
            continue
        assert t.spec.urn, f"leaf {tid} has no URN"
        equal(not t.environment_id, t.spec.urn in NO_ENVIRONMENT, f"{tid}: environment {t.environment_id!r}")
        if t.environment_id:
            assert t.environment_id in c.environments, t.environment_id
        for pc in t.outputs.values():
            assert pc not in made, f"{pc} is made by {made.get(pc)} and {tid}"
            made[pc] = tid
    equal(set(made), set(c.pcollections), "PCollections that are made")
    equal(set(p.root_transform_ids), set(c.transforms) - set(parents), "roots")
    for things in (c.transforms, c.pcollections):
        names = [x.unique_name for x in things.values()]
        equal(len(names), len(set(names)), "unique names")
    for pc in c.pcollections.values():
        assert pc.windowing_strategy_id in c.windowing_strategies
        assert pc.is_bounded in (api.IsBounded.BOUNDED, api.IsBounded.UNBOUNDED)
    for e in c.environments.values():
        standard = set(standard_coder_urns())
        assert standard <= set(e.capabilities), standard - set(e.capabilities)
        equal(len(e.capabilities), len(set(e.capabilities)), "capabilities")
        assert sum(x.startswith("beam:version:sdk_base:beamc:") for x in e.capabilities) == 1


def instantiable(p):
    context = pipeline_context.PipelineContext(p.components)
    for cid in p.components.coders:
        assert isinstance(context.coders.get_by_id(cid), coders.Coder), cid
    for wid in p.components.windowing_strategies:
        context.windowing_strategies.get_by_id(wid)


def optimize(p):
    """The phases of Beam's own local runner; the fused stages."""
    phases = [
        translations.annotate_downstream_side_inputs,
        translations.fix_side_input_pcoll_coders,
        translations.pack_combiners,
        translations.lift_combiners,
        translations.expand_sdf,
        translations.expand_gbk,
        translations.sink_flattens,
        translations.greedily_fuse,
        translations.read_to_impulse,
        translations.impulse_to_input,
        translations.sort_stages,
        translations.setup_timer_mapping,
        translations.populate_data_channel_coders,
    ]
    return translations.create_and_optimize_stages(
        copy.deepcopy(p), phases=phases,
        known_runner_urns=frozenset([
            common_urns.primitives.FLATTEN.urn, common_urns.primitives.GROUP_BY_KEY.urn]),
        use_state_iterables=False)


def known_only(data):
    p = parse(data)
    p.DiscardUnknownFields()
    equal(p.ByteSize(), len(data), "bytes without unknown fields")


# --------------------------------------------------------------------------------------- the cases


def by_name(p, name):
    found = [t for t in p.components.transforms.values() if t.unique_name == name]
    equal(len(found), 1, f"transforms named {name}")
    return found[0]


def strategy_behind(p, transform):
    (pc,) = by_name(p, transform).outputs.values()
    return p.components.windowing_strategies[p.components.pcollections[pc].windowing_strategy_id]


def output_coder(p, transform, tag="out"):
    context = pipeline_context.PipelineContext(p.components)
    pc = p.components.pcollections[by_name(p, transform).outputs[tag]]
    return context.coders.get_by_id(pc.coder_id)


def word_count(p):
    split = by_name(p, "Count words/Split")
    equal(dict(split.inputs), {"in": "Words/Values.out"})
    equal(sorted(split.outputs), ["rest", "words"])
    payload = pardo_of(split)
    equal(payload.do_fn.urn, "test:dofn:pairs:v1")
    shown = [api.LabelledPayload.FromString(d.payload) for d in split.display_data]
    equal([(d.key, d.string_value) for d in shown], [("separator", "tab"), ("limit", "3")])
    combine = by_name(p, "Count words/Sum")
    equal(combine.spec.urn, "beam:transform:combine_per_key:v1")
    equal(api.CombinePayload.FromString(combine.spec.payload).combine_fn.urn, "beamc:combiner:sum_i64:v1")
    equal(len(combine.inputs), 1)
    equal(len(combine.outputs), 1)
    leaf = by_name(p, "Count words/Sum/Combine")
    equal((leaf.spec.urn, pardo_of(leaf).do_fn.urn), (PARDO, "beamc:combiner:sum_i64:v1"))
    whole_step = by_name(p, "Count words")
    equal((len(whole_step.inputs), len(whole_step.outputs)), (1, 2))
    hints = {tid: dict(e.resource_hints) for tid, e in p.components.environments.items()}
    equal(hints[by_name(p, "Write").environment_id], {"beam:resources:min_ram_bytes:v1": b"1073741824"})
    equal(hints[split.environment_id], {})
    lifted = [t.spec.urn for s in optimize(p)[1] for t in s.transforms]
    assert "beam:transform:combine_per_key_precombine:v1" in lifted, "the combine is not lifted"


def globally(p):
    names = {t.unique_name for t in p.components.transforms.values()}
    assert "Count/EmptyGroup" in names and "CountSome/EmptyGroup" not in names
    side = pardo_of(by_name(p, "Count/EmptyGroup")).side_inputs
    equal(side["results"].access_pattern.urn, "beam:side_input:iterable:v1")
    equal(str(output_coder(p, "Count/Values")), str(coders.VarIntCoder()))


def windows(p):
    context = pipeline_context.PipelineContext(p.components)

    def windowing(transform):
        (pc,) = by_name(p, transform).outputs.values()
        return context.windowing_strategies.get_by_id(p.components.pcollections[pc].windowing_strategy_id)

    equal(windowing("Fixed").windowfn, window.FixedWindows(60, 1.5))
    equal(windowing("Sliding").windowfn, window.SlidingWindows(60, 0.5))
    equal(windowing("Sessions").windowfn, window.Sessions(1.234))
    equal(windowing("Global").windowfn, window.GlobalWindows())
    s = strategy_behind(p, "Sessions")
    equal((s.accumulation_mode, s.allowed_lateness, s.output_time, s.closing_behavior, s.on_time_behavior),
          (api.AccumulationMode.ACCUMULATING, 5000, api.OutputTime.LATEST_IN_PANE,
           api.ClosingBehavior.EMIT_ALWAYS, api.OnTimeBehavior.FIRE_IF_NONEMPTY))
    equal(s.merge_status, api.MergeStatus.NEEDS_MERGE)
    equal(strategy_behind(p, "GroupSessions").merge_status, api.MergeStatus.ALREADY_MERGED)
    equal(strategy_behind(p, "Sliding").merge_status, api.MergeStatus.NON_MERGING)
    equal([strategy_behind(p, n).assigns_to_one_window for n in ("Fixed", "Sliding")], [True, False])
    into = api.WindowIntoPayload.FromString(by_name(p, "Fixed").spec.payload)
    equal(into.window_fn, strategy_behind(p, "Fixed").window_fn)


def triggers(p):
    def of(name):
        return str(trigger.TriggerFn.from_runner_api(strategy_behind(p, name).trigger, None))

    count = trigger.AfterCount
    clock = trigger.AfterProcessingTime
    equal(of("Window0"), str(trigger.AfterWatermark(early=count(3), late=clock(7))))
    aligned = strategy_behind(p, "Window1").trigger.repeat.subtrigger.after_each.subtriggers[1]
    transforms = aligned.after_processing_time.timestamp_transforms
    equal([t.delay.delay_millis for t in transforms], [100, 0])
    equal((transforms[1].align_to.period, transforms[1].align_to.offset), (1000, 10))
    equal(of("Window2"), str(trigger.Repeatedly(trigger.AfterAny(count(2), clock(5)))))
    equal(of("Window3"), str(trigger.Repeatedly(trigger.AfterAll(count(2), count(4)))))
    equal(of("Window4"), str(trigger.OrFinally(trigger.Repeatedly(count(2)), count(9))))
    equal(strategy_behind(p, "Window5").trigger.WhichOneof("trigger"), "always")
    equal(strategy_behind(p, "Window6").trigger.WhichOneof("trigger"), "never")

    # Behind a grouping each pane goes on as it comes.
    group0 = strategy_behind(p, "Group0").trigger.after_end_of_window
    equal(group0.early_firings.element_count.element_count, 1)
    equal(group0.late_firings.WhichOneof("trigger"), "after_synchronized_processing_time")
    equal([t.WhichOneof("trigger") for t in
           strategy_behind(p, "Group1").trigger.repeat.subtrigger.repeat.subtrigger.after_any.subtriggers],
          ["element_count", "after_synchronized_processing_time"])
    equal(of("Group3"), str(trigger.Repeatedly(trigger.AfterAll(count(1), count(1)))))
    equal(of("Group4"), str(trigger.Repeatedly(trigger.OrFinally(trigger.Repeatedly(count(1)), count(1)))))


def rows(p):
    coder = output_coder(p, "Group")
    assert coder.is_kv_coder(), coder
    row = output_coder(p, "None/Values").value_coder()
    equal([f.name for f in row.schema.fields],
          ["text", "i64", "f64", "flag", "at", "part", "list", "map", "maybe"])
    assert row.schema.fields[8].type.nullable


def state(p):
    keep = pardo_of(by_name(p, "Keep"))
    bag, multimap = "beam:user_state:bag:v1", "beam:user_state:multimap:v1"
    equal({n: (s.WhichOneof("spec"), s.protocol.urn) for n, s in keep.state_specs.items()}, {
        "value": ("read_modify_write_spec", bag),
        "bag": ("bag_spec", bag),
        "sum": ("combining_spec", bag),
        "map": ("map_spec", multimap),
        "set": ("set_spec", multimap),
        "list": ("ordered_list_spec", "beam:user_state:ordered_list:v1"),
    })
    expiration = keep.on_window_expiration_timer_family_spec
    equal({n: f.time_domain for n, f in keep.timer_family_specs.items()}, {
        "event": api.TimeDomain.EVENT_TIME,
        "clock": api.TimeDomain.PROCESSING_TIME,
        expiration: api.TimeDomain.EVENT_TIME,
    })
    timer = p.components.coders[keep.timer_family_specs["event"].timer_family_coder_id]
    equal([p.components.coders[c].spec.urn for c in timer.component_coder_ids],
          ["beam:coder:string_utf8:v1", "beam:coder:interval_window:v1"])
    assert keep.requests_finalization
    equal(sorted(p.requirements), ["beam:requirement:pardo:finalization:v1",
                                   "beam:requirement:pardo:on_window_expiration:v1",
                                   "beam:requirement:pardo:stateful:v1"])


def splittable(p):
    read = by_name(p, "Read")
    pair = p.components.coders[pardo_of(read).restriction_coder_id]
    equal(pair.spec.urn, "beam:coder:kv:v1")
    equal([p.components.coders[c].spec.urn for c in pair.component_coder_ids],
          ["beam:coder:row:v1", "beam:coder:varint:v1"])
    equal(list(p.requirements), ["beam:requirement:pardo:splittable_dofn:v1"])
    equal(p.components.pcollections[read.outputs["out"]].is_bounded, api.IsBounded.UNBOUNDED)
    urns = [t.spec.urn for s in optimize(p)[1] for t in s.transforms]
    assert "beam:transform:sdf_process_sized_element_and_restrictions:v1" in urns


def side_inputs(p):
    look = by_name(p, "Look")
    equal(sorted(look.inputs), ["all", "by_key", "in"])
    side = pardo_of(look).side_inputs
    equal({n: s.access_pattern.urn for n, s in side.items()},
          {"all": "beam:side_input:iterable:v1", "by_key": "beam:side_input:multimap:v1"})
    fn = api.FunctionSpec.FromString(side["by_key"].window_mapping_fn.payload)
    equal(fn.urn, "beam:window_fn:fixed_windows:v1")


def reshuffle(p):
    spread = by_name(p, "SpreadMinutes")
    equal(spread.spec.urn, "beam:transform:reshuffle:v1")
    before, after = (p.components.pcollections[list(x.values())[0]] for x in (spread.inputs, spread.outputs))
    equal((after.coder_id, after.windowing_strategy_id), (before.coder_id, before.windowing_strategy_id))
    inner = strategy_behind(p, "SpreadMinutes/Window")
    equal(inner.trigger.WhichOneof("trigger"), "always")
    equal(inner.window_fn.urn, "beam:window_fn:global_windows:v1")
    equal(sorted(by_name(p, "Both").inputs), ["in0", "in1"])


def test_stream(p):
    events = api.TestStreamPayload.FromString(by_name(p, "Stream").spec.payload).events
    equal([e.WhichOneof("event") for e in events],
          ["element_event", "watermark_event", "processing_time_event", "watermark_event"])
    element = events[0].element_event.elements[0]
    equal((element.encoded_element, element.timestamp), (b"a", -5))  # the outer context, as other SDKs encode it
    equal(events[2].processing_time_event.advance_duration, 60000)
    names = {t.unique_name for t in p.components.transforms.values()}
    assert "Count/EmptyGroup" not in names, "a default for a windowed, unbounded input"


def odd_labels(p):
    for tid in p.components.transforms:
        assert tid.isascii() and " " not in tid and not tid.startswith("ft_"), tid
    for name in ("a b", "a_b", "a\u00e4b", "ft_one"):
        by_name(p, name)


DETAILS = [word_count, globally, windows, triggers, rows, state, splittable, side_inputs, reshuffle, test_stream,
           odd_labels]
NOT_FOR_PYTHON = {"test_stream"}  # its local runner has no TestStream over this path


def main():
    tap = Tap()
    listed = subprocess.run([PROGRAM], stdout=subprocess.PIPE, text=True, check=True).stdout.split()
    tap.check("every case has its test", lambda: equal(sorted(listed), sorted([d.__name__ for d in DETAILS] + ["refused"])))
    for detail in DETAILS:
        name = detail.__name__
        data = lower(name)
        pipeline = parse(data)
        tap.check(f"{name}: the same bytes again", lambda: equal(lower(name), data))
        tap.check(f"{name}: whole", lambda: whole(pipeline))
        tap.check(f"{name}: no unknown fields", lambda: known_only(data))
        tap.check(f"{name}: coders and windowings as Beam's", lambda: instantiable(pipeline))
        if name not in NOT_FOR_PYTHON:
            tap.check(f"{name}: Beam's optimizer takes it", lambda: optimize(pipeline))
        tap.check(f"{name}: details", lambda: detail(pipeline))

    def refused():
        r = subprocess.run([PROGRAM, "refused"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, check=False)
        equal(r.returncode, 1)
        equal(r.stdout, "")
        assert r.stderr.startswith("Words: this label is taken"), r.stderr

    tap.check("a refused pipeline gives no bytes", refused)
    return tap.finish()


if __name__ == "__main__":
    sys.exit(main())
