#!/usr/bin/env python3
# tests/run: timeout=600
"""Apache Beam's trigger transcripts through whole pipelines on the local runner: a test stream, WindowInto, GroupByKey and
Combine, on one thread and four. test_transcripts.py plays the same to the grouper alone.

All of them, also those that the YAML says are broken on some runner. Other files with transcripts may be named on the
command line. A transcript with `error` must not pass.
"""
import os
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import player  # noqa: E402
import test_transcripts  # noqa: E402
import transcripts  # noqa: E402


def seconds(ms):
    return ms // 1000


def as_yaml(pane):
    return {"window": [seconds(pane["start"]), seconds(pane["end"] - 1)], "values": pane["values"],
            "timestamp": seconds(pane["timestamp"]), "index": pane["index"],
            "nonspeculative_index": pane["nonspeculative"], "early": pane["timing"] == "early",
            "late": pane["timing"] == "late", "final": pane["last"]}


def fits(pane, expected):
    return all(sorted(pane[k]) == sorted(v) if k == "values" else pane[k] == v for k, v in expected.items() if k in pane)


def compare(events, steps, key):
    """As apache_beam.transforms.trigger_test: what an event puts out is what the `expect` behind it says."""
    panes = {step: [as_yaml(p) for p in got.get(key, [])] for step, got in steps}
    wanted, step = {}, None
    for i, (kind, params) in enumerate(events):
        if kind == "expect":
            wanted.setdefault(step, []).extend(params)
        else:
            step = i
    for step, got in panes.items():
        if step is None:  # behind the transcript the stream ends
            continue
        left = list(got)
        for expected in wanted.get(step, []):
            match = next((p for p in left if fits(p, expected)), None)
            if match is None:
                return f"step {step}: Unmatched output {expected}; output: {got}"
            left.remove(match)
        if left:
            return f"step {step}: Unexpected output {left}"
    return None


def compare_loosely(events, steps, key):
    """For runners that let a stream's next event overtake what the last one made: panes may come any time later, and what
    is left over may come behind the last event, when the stream ends."""
    left = [(step, as_yaml(p)) for step, got in steps for p in got.get(key, [])]
    for expected in [p for kind, params in events if kind == "expect" for p in params]:
        match = next((x for x in left if fits(x[1], expected)), None)
        if match is None:
            return f"Unmatched output {expected}; output: {[p for _, p in left]}"
        left.remove(match)
    left = [p for step, p in left if step is not None]
    return f"Unexpected output {left}" if left else None


def fault(spec, form, flags, compare=compare):
    text = "\n".join(transcripts.lines(dict(spec, transcript=[e for e in spec["transcript"] if "state" not in e]))) + "\n"
    events = [next(iter(e.items())) for e in spec["transcript"] if "state" not in e]
    try:
        steps = player.play(text, form, flags)
    except player.Failed as why:
        return str(why)
    for key in sorted({k for _, got in steps for k in got}) or player.KEYS:
        wrong = compare(events, steps, key)
        if wrong:
            return f"{form} {' '.join(flags)} key {key}: {wrong}"
    return None


def run(spec, forms=player.FORMS, flags=()):
    for form, threads in forms:
        try:
            wrong = fault(spec, form, [f"--parallelism={threads}"] + list(flags))
        except transcripts.Refused as why:
            return None if any(name in str(why) for name in test_transcripts.REFUSED) else str(why)
        if "error" in spec:
            # Those in the global window with the default trigger are refused when they are built.
            if wrong is None or not (spec["error"] in wrong or "would never give a result" in wrong):
                return f"{form}: it ought to fail with {spec['error']!r}: {wrong}"
        elif wrong:
            return wrong
    return None


def main():
    specs = test_transcripts.load(sys.argv[1:])
    if specs is None:
        print("1..0 # SKIP apache-beam 2.77.0 cannot be installed here")
        return 0
    print(f"1..{len(specs)}")
    failed = False
    for i, spec in enumerate(specs, 1):
        wrong = run(spec)
        failed |= wrong is not None
        print(f"{'not ok' if wrong else 'ok'} {i} - {spec.get('name', 'unnamed')}")
        for line in (wrong or "").splitlines():
            print("# " + line)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
