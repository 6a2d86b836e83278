#!/usr/bin/env python3
# tests/run: timeout=300
"""model.py, the oracle of test_random.py, against an oracle that is not ours: the trigger driver of Apache Beam's Python
package (apache_beam.transforms.trigger.GeneralTriggerDriver), pane for pane on random cases.

    test_python_driver.py [--seed=N] [--cases=N]

The driver is what the 18 transcripts are defined by. It knows no processing time worth comparing (its triggers confuse the
clock with the watermark), no closing behavior and no expiry, and takes the input watermark for that of its output. It puts
out an empty pane for each part of a trigger that waits for the watermark. So cases have triggers of counts with one such
part at most, so much lateness that nothing expires, and panes at the end of their windows. Where sessions merge it has rules
of its own, which its sources call unsettled: they are left to the transcripts. OrFinally, by the model, has finished when
its second part fires; by the driver when that has finished: cases have second parts that do both at once.
"""
import argparse
import logging
import os
import random
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.join(HERE, os.pardir, "interop")]
import lib  # noqa: E402
import model  # noqa: E402
import test_random  # noqa: E402

LATENESS = 10**6  # seconds


def beam():
    """The parts of apache_beam that are used, when this runs under a Python that has it."""
    from apache_beam.transforms import core, trigger, window
    from apache_beam.utils import windowed_value
    return core, trigger, window, windowed_value


def beam_windows(window, fn):
    kind = fn[0]
    if kind == "global":
        return window.GlobalWindows()
    if kind == "fixed":
        return window.FixedWindows(fn[1] // 1000, fn[2] // 1000)
    return window.SlidingWindows(fn[1] // 1000, fn[2] // 1000, fn[3] // 1000)


def beam_trigger(trigger, node):
    if isinstance(node, model.Watermark):
        if node.plain:
            return trigger.AfterWatermark()
        return trigger.AfterWatermark(*[t and beam_trigger(trigger, t) for t in (node.early, node.late)])
    parts = [beam_trigger(trigger, child) for child in node.children]
    if isinstance(node, model.Count):
        return trigger.AfterCount(node.count)
    names = {model.Never: trigger._Never, model.Default: trigger.DefaultTrigger, model.Repeatedly: trigger.Repeatedly, model.Each: trigger.AfterEach,
             model.OrFinally: trigger.OrFinally, model.Any: trigger.AfterAny, model.All: trigger.AfterAll}
    return names[type(node)](*parts)


def is_common(node):
    """Whether model and driver mean the same by the trigger."""
    parts = node.all()
    if any(isinstance(p, (model.Time, model.Always)) for p in parts):
        return False
    if any(isinstance(p, model.OrFinally) and not isinstance(p.children[1], model.Count) for p in parts):
        return False
    waits = [p for p in parts if isinstance(p, (model.Watermark, model.Default))]
    if any(isinstance(p, model.Each) and any(w in later.all() for later in p.children[1:] for w in waits) for p in parts):
        return False  # the driver sets a timer for it only when one more element comes
    if any(isinstance(p, model.Default) for p in parts) and len(parts) > 2:
        return False  # it clears the timer when what is around it starts again
    return len(waits) <= 1


class Case(test_random.Case):
    def __init__(self, seed):
        r = random.Random(-seed)
        self.seed = seed
        self.lateness = LATENESS
        self.accumulating = r.random() < 0.5
        self.combiner, self.closing, self.on_time = "end", "nonempty", "always"
        while True:
            self.windows = test_random.make_windows(r)
            self.node, self.trigger = test_random.make_trigger(r, r.choice([0, 1, 2, 3]))
            if self.windows[0] != "sessions" and is_common(self.node):
                break
        self.steps = [s for s in test_random.make_steps(r) if s[0] != "clock"]
        self.play(model.Model(self.windows, self.node, self.accumulating, "end", LATENESS * 1000))

    def driver(self):
        """The panes of each step."""
        core, trigger, window, windowed_value = beam()
        fn = beam_windows(window, self.windows)
        how = core.Windowing(fn, beam_trigger(trigger, self.node),
                             trigger.AccumulationMode.ACCUMULATING if self.accumulating
                             else trigger.AccumulationMode.DISCARDING,
                             window.TimestampCombiner.OUTPUT_AT_EOW, LATENESS)
        driver = trigger.GeneralTriggerDriver(how, None)
        state = trigger.InMemoryUnmergedState()
        watermark, steps = window.MIN_TIMESTAMP, []
        for kind, x in self.steps:
            out = []
            if kind == "input":
                bundle = [windowed_value.WindowedValue(t, t, fn.assign(window.WindowFn.AssignContext(t, t))) for t in x]
                out += driver.process_elements(state, bundle, watermark, watermark)
            else:
                watermark = x
            due = state.get_and_clear_timers(watermark)
            while due:
                for at, (name, domain, when, _) in sorted(due, key=lambda d: d[1][2]):
                    out += driver.process_timer(at, name, domain, when, state)
                due = state.get_and_clear_timers(watermark)
            steps.append([self.pane(windowed_value, v) for v in out])
        return steps

    def pane(self, windowed_value, v):
        w, = v.windows
        timings = windowed_value.PaneInfoTiming
        timing = {timings.EARLY: "early", timings.ON_TIME: "on_time", timings.LATE: "late"}[v.pane_info.timing]
        return {"start": w.start.micros // 1000, "end": w.end.micros // 1000, "values": sorted(v.value),
                "index": v.pane_info.index, "nonspeculative": v.pane_info.nonspeculative_index, "timing": timing,
                "first": v.pane_info.is_first, "last": v.pane_info.is_last}


def plain(panes):
    """Without timestamps. The global window's bounds are not those of Python's GlobalWindow, and do not matter."""
    return sorted([tuple(str(p[k]) for k in ("values", "index", "nonspeculative", "timing", "first", "last")) +
                   (("", "") if p["end"] > 10**12 else (p["start"], p["end"])) for p in panes], key=str)


def main():
    lib.use_beam_python()
    logging.disable(logging.WARNING)
    args = argparse.ArgumentParser()
    args.add_argument("--seed", type=int, default=1)
    args.add_argument("--cases", type=int, default=4000)
    options = args.parse_args()
    print("1..1")
    bad = panes = 0
    for seed in range(options.seed, options.seed + options.cases):
        case = Case(seed)
        for step, (ours, theirs) in enumerate(zip(case.expected, case.driver())):
            panes += len(ours)
            if plain(ours) != plain(theirs):
                bad += 1
                if bad <= 3:
                    text = f"seed {seed}, step {step} {case.steps[step]}:\n model {plain(ours)}\n driver {plain(theirs)}\n"
                    print("\n".join("# " + line for line in (text + case.lines(False)).splitlines()))
                break
    print(f"{'not ok' if bad else 'ok'} 1 - the model says what Python's driver does")
    print(f"# {options.cases} cases, {panes} panes, {bad} with a difference")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
