#!/usr/bin/env python3
# tests/run: timeout=600
"""Random triggers, windows and scripts: whole pipelines on the local runner against model.py, pane for pane.

    test_random.py [--seed=N] [--cases=N] [--show]

Every case runs through the grouper alone (programs/transcript.c: as it is, saved and loaded) and as a pipeline (GroupByKey
and Combine, on one thread and four). A difference prints the case as the lines that both programs read.
"""
import argparse
import os
import random
import subprocess
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import model  # noqa: E402
import player  # noqa: E402

GROUPER = os.path.join(player.BUILD, "tests", "triggers", "programs", "transcript")


# --- cases ---


def make_trigger(r, depth):
    """(node of the model, the same in Polish notation)"""
    leaf = depth <= 0 or r.random() < 0.25
    if leaf:
        kind = r.choice(["count", "count", "time", "watermark", "default", "always", "never", "synchronized"])
        if kind == "count":
            n = r.choice([1, 1, 2, 2, 3, 5])
            return model.Count(n), f"count {n}"
        if kind == "time":
            delay = r.choice([0, 1, 2, 5, 10])
            return model.Time(delay * 1000), f"time {delay * 1000}"
        if kind == "synchronized":
            return model.Time(0), "synchronized"
        if kind == "watermark":
            return model.Watermark(None, None), "watermark none none"
        return {"default": model.Default, "always": model.Always, "never": model.Never}[kind](), kind
    kind = r.choice(["watermark"] * 3 + ["repeatedly"] * 2 + ["finally", "each", "any", "all"])
    if kind == "watermark":
        early = make_trigger(r, depth - 1) if r.random() < 0.7 else (None, "none")
        late = make_trigger(r, depth - 1) if r.random() < 0.7 else (None, "none")
        return model.Watermark(early[0], late[0]), f"watermark {early[1]} {late[1]}"
    if kind == "repeatedly":
        one = make_trigger(r, depth - 1)
        return model.Repeatedly(one[0]), "repeatedly " + one[1]
    count = 2 if kind == "finally" else r.choice([2, 2, 3])
    parts = [make_trigger(r, depth - 1) for _ in range(count)]
    node = {"finally": model.OrFinally, "each": model.Each, "any": model.Any, "all": model.All}[kind]
    words = [kind] + ([] if kind == "finally" else [str(count)]) + [p[1] for p in parts]
    return node(*[p[0] for p in parts]), " ".join(words)


def make_windows(r):
    kind = r.choice(["fixed", "fixed", "sliding", "sessions", "sessions", "global"])
    if kind == "fixed":
        return ("fixed", r.choice([5, 10]) * 1000, r.choice([0, 0, 3, 9]) * 1000)
    if kind == "sliding":
        return ("sliding", r.choice([10, 12]) * 1000, r.choice([4, 5, 10]) * 1000, r.choice([0, 0, 1]) * 1000)
    if kind == "sessions":
        return ("sessions", r.choice([3, 5, 10]) * 1000)
    return ("global",)


def make_steps(r):
    base = r.choice([0] * 8 + [-25, -10**9, 10**10])  # long ago, far ahead
    steps, watermark = [], base
    for _ in range(r.randrange(3, 14)):
        kind = r.choice(["input"] * 5 + ["watermark"] * 3 + ["clock"] * 2)
        if kind == "input":
            near = watermark if r.random() < 0.6 else base + r.randrange(0, 40)
            steps.append(("input", [max(base, near + r.randrange(-12, 15)) for _ in range(r.choice([1, 1, 1, 2, 3, 4]))]))
        elif kind == "watermark":
            watermark += r.choice([1, 3, 5, 10, 11, 20, 60])
            steps.append(("watermark", watermark))
        else:
            steps.append(("clock", r.choice([0, 1, 2, 5, 10])))
    return steps


def can_fire(node):
    """In a window that does not end."""
    if isinstance(node, (model.Each, model.Repeatedly)):
        return can_fire(node.children[0])
    if isinstance(node, model.Any):
        return node.rule(can_fire(child) for child in node.children)
    return not isinstance(node, (model.Never, model.Default))


class Case:
    def __init__(self, seed):
        r = random.Random(seed)
        self.seed = seed
        self.windows = make_windows(r)
        trigger, self.trigger = make_trigger(r, r.choice([0, 1, 2, 2, 3]))
        while self.windows == ("global",) and not can_fire(trigger):  # refused: it would never fire
            trigger, self.trigger = make_trigger(r, 2)
        self.accumulating = r.random() < 0.5
        self.combiner = r.choice(["end", "earliest", "latest"])
        self.lateness = r.choice([0, 0, 5, 10, 100])
        self.closing = r.choice(["nonempty", "nonempty", "always"])
        self.on_time = r.choice(["always", "always", "nonempty"])
        self.steps = make_steps(r)
        if self.seed % 50 == 0:  # time itself ends
            self.steps.append(("watermark", model.GLOBAL_MAX // 1000))
        self.play(model.Model(self.windows, trigger, self.accumulating, self.combiner, self.lateness * 1000, self.closing,
                              self.on_time))

    def play(self, m):
        self.expected = []
        for kind, x in self.steps:
            if kind == "input":
                self.expected.append(m.bundle([(v * 1000, v) for v in x]))
            elif kind == "watermark":
                self.expected.append(m.advance(x * 1000))
            else:
                self.expected.append(m.tick(x * 1000))
        self.last = m.advance(model.MAX)

    def any_order(self):
        return self.trigger == "default" and self.accumulating

    def lines(self, expect=True):
        windows = " ".join(str(x) for x in self.windows)
        out = [f"transcript seed-{self.seed}", "windows " + windows, "trigger " + self.trigger,
               "mode " + ("accumulating" if self.accumulating else "discarding"), "combiner " + self.combiner,
               f"lateness {self.lateness * 1000}", "closing " + self.closing, "on_time " + self.on_time]
        for (kind, x), panes in zip(self.steps, self.expected):
            if kind == "input":
                out.append(" ".join(["input", str(len(x))] + [str(v) for v in x]))
            else:
                out.append(f"{kind} {x * 1000}")
            if expect:
                out.append(f"expect {len(panes)}")
                out += [pane_line(p) for p in panes]
        return "\n".join(out + ["end"]) + "\n"


def pane_line(p):
    values = " ".join(str(v) for v in p["values"])
    return (f"pane window {p['start'] // 1000} {(p['end'] - 1) // 1000} values {len(p['values'])} {values} timestamp "
            f"{p['timestamp'] // 1000} index {p['index']} nonspeculative {p['nonspeculative']} early "
            f"{int(p['timing'] == 'early')} late {int(p['timing'] == 'late')} final {int(p['last'])}")


# --- comparing ---


def in_order(panes):
    return sorted(panes, key=lambda p: (p["start"], p["end"], p["index"], p["timestamp"]))


def grouper_fault(case):
    done = subprocess.run([GROUPER], input=case.lines(), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    return None if done.returncode == 0 else "grouper: " + (done.stdout.strip() or f"exit code {done.returncode}")


def pipeline_fault(case, form, flags):
    where = f"{form} {' '.join(flags)}"
    try:
        steps = player.play(case.lines(False), form, flags)
    except player.Failed as why:
        return f"{where}: {why}"
    if [s for s, _ in steps] != list(range(len(case.steps))) + [None]:
        return f"{where}: the marks are {[s for s, _ in steps]}"
    for (step, got), panes in zip(steps, case.expected + [case.last]):
        for key in player.KEYS:
            if in_order(got.get(key, [])) != in_order(panes):
                return (f"{where}: step {step} ({case.steps[step] if step is not None else 'the end'}), key {key}: "
                        f"expected {player.show(in_order(panes))}\n  got {player.show(in_order(got.get(key, [])))}")
    return None


def fault(case):
    wrong = grouper_fault(case)
    for form, threads in player.FORMS:
        wrong = wrong or pipeline_fault(case, form, [f"--parallelism={threads}"])
    return wrong


GROUPS = 20


def main():
    args = argparse.ArgumentParser()
    args.add_argument("--seed", type=int, default=1)
    args.add_argument("--cases", type=int, default=400)
    args.add_argument("--show", action="store_true", help="print the first case and what it must give")
    options = args.parse_args()
    if options.show:
        print(Case(options.seed).lines())
        return 0
    print(f"1..{GROUPS}")
    bad = panes = 0
    for group in range(GROUPS):
        faults = []
        for seed in range(options.seed + group, options.seed + options.cases, GROUPS):
            case = Case(seed)
            panes += sum(len(p) for p in case.expected + [case.last])
            wrong = fault(case)
            if wrong:
                faults.append((case, wrong))
        print(f"{'not ok' if faults else 'ok'} {group + 1} - seeds {options.seed + group}, every {GROUPS}th")
        for case, wrong in faults[:3]:
            print("\n".join("# " + line for line in [f"seed {case.seed}: {wrong}"] + case.lines(False).splitlines()))
        bad += len(faults)
        sys.stdout.flush()
    print(f"# {options.cases} cases, {panes} panes, {bad} with a difference")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
