"""Reads trigger transcripts: the YAML documents of Apache Beam's trigger_transcripts.yaml.

A transcript names a window function, a trigger and so on, by Python's names and syntax, and lists
events: input, watermark, clock, state, expect. `lines` turns one into the plain lines that the C
programs of this folder read; times are milliseconds there, seconds here. Nothing is evaluated.
"""
import re

PARTS = re.compile(r"\s*([A-Za-z_][A-Za-z_0-9]*|-?\d+|[(),=\[\]])")


class Refused(Exception):
    """What the portable model has no word for."""


def tokens(text):
    at, out = 0, []
    text = text.strip()
    while at < len(text):
        m = PARTS.match(text, at)
        if not m:
            raise ValueError(f"cannot read {text[at:]!r} in {text!r}")
        out.append(m.group(1))
        at = m.end()
    return out


def parse(text):
    """'Foo(1, kw=Bar)' -> ('Foo', [1], {'kw': ('Bar', [], {})})."""
    rest = tokens(str(text))
    tree = expression(rest)
    if rest:
        raise ValueError(f"{' '.join(rest)!r} is too much in {text!r}")
    return tree


def expression(rest):
    name = rest.pop(0)
    if re.fullmatch(r"-?\d+", name):
        return int(name)
    args, named = [], {}
    if rest and rest[0] == "(":
        rest.pop(0)
        while rest[0] != ")":
            if len(rest) > 1 and rest[1] == "=":
                key = rest.pop(0)
                rest.pop(0)
                named[key] = expression(rest)
            else:
                args.append(expression(rest))
            if rest[0] == ",":
                rest.pop(0)
        rest.pop(0)
    return name, args, named


def bind(tree, *names, **defaults):
    """The arguments of a call by their names, as Python would pass them."""
    name, args, named = tree
    if len(args) > len(names) or set(named) - set(names):
        raise ValueError(f"{name} takes {', '.join(names) or 'nothing'}")
    values = dict(defaults, **dict(zip(names, args)), **named)
    missing = set(names) - set(values)
    if missing:
        raise ValueError(f"{name} lacks {', '.join(sorted(missing))}")
    return [values[n] for n in names]


def ms(seconds):
    return round(float(seconds) * 1000)


def window(tree):
    name = tree[0]
    if name in ("FixedWindows", "CustomTimestampingFixedWindowsWindowFn"):
        size, offset = bind(tree, "size", "offset", offset=0)
        return f"fixed {ms(size)} {ms(offset)}"
    if name == "SlidingWindows":
        size, period, offset = bind(tree, "size", "period", "offset", offset=0)
        return f"sliding {ms(size)} {ms(period)} {ms(offset)}"
    if name == "Sessions":
        return f"sessions {ms(bind(tree, 'gap_size')[0])}"
    if name == "GlobalWindows":
        return "global"
    raise Refused(f"there is no window function {name}")


LEAVES = {
    "Default": "default",
    "DefaultTrigger": "default",
    "Always": "always",
    "Never": "never",
    "_Never": "never",
    "AfterSynchronizedProcessingTime": "synchronized",
    "_AfterSynchronizedProcessingTime": "synchronized",
}
COMPOSITES = {"AfterEach": "each", "AfterAny": "any", "AfterFirst": "any", "AfterAll": "all"}


def trigger(tree):
    """In Polish notation."""
    name = tree[0]
    if name in LEAVES:
        bind(tree)
        return LEAVES[name]
    if name in COMPOSITES:
        return " ".join([COMPOSITES[name], str(len(tree[1]))] + [trigger(t) for t in tree[1]])
    if name == "AfterCount":
        return f"count {bind(tree, 'count')[0]}"
    if name == "AfterProcessingTime":
        return f"time {ms(bind(tree, 'delay', delay=0)[0])}"
    if name == "Repeatedly":
        return "repeatedly " + trigger(bind(tree, "underlying")[0])
    if name == "OrFinally":
        return " ".join(["finally"] + [trigger(t) for t in bind(tree, "main", "until")])
    if name == "AfterWatermark":
        parts = bind(tree, "early", "late", early=("None", [], {}), late=("None", [], {}))
        return " ".join(["watermark"] + ["none" if p[0] == "None" else trigger(p) for p in parts])
    raise Refused(f"there is no trigger {name}")


COMBINERS = {"OUTPUT_AT_EOW": "end", "OUTPUT_AT_EARLIEST": "earliest", "OUTPUT_AT_LATEST": "latest"}
FLAGS = {"index": "index", "nonspeculative_index": "nonspeculative", "timestamp": "timestamp",
         "early": "early", "late": "late", "final": "final"}


def pane(expected):
    """What is said of a pane; what is not said may be anything."""
    words = []
    for key, value in expected.items():
        if key == "window":
            words.append(f"window {value[0]} {value[1]}")
        elif key == "values":
            words.append(" ".join(["values", str(len(value))] + [str(v) for v in sorted(value)]))
        elif key in FLAGS:
            words.append(f"{FLAGS[key]} {int(value)}")
    return " ".join(["pane"] + words)


def lines(spec):
    """The transcript as lines; Refused if it needs what the portable model does not have."""
    combiner = str(spec.get("timestamp_combiner", "OUTPUT_AT_EOW")).upper()
    if combiner not in COMBINERS:
        raise Refused(f"the portable model (OutputTime) has no {combiner}")
    out = [
        "transcript " + spec.get("name", "unnamed"),
        "windows " + window(parse(spec.get("window_fn", "GlobalWindows"))),
        "trigger " + trigger(parse(spec.get("trigger_fn", "Default"))),
        "mode " + str(spec.get("accumulation_mode", "accumulating")).lower(),
        "combiner " + COMBINERS[combiner],
        f"lateness {ms(spec.get('allowed_lateness', 0))}",
    ]
    for key, name in (("closing_behavior", "closing"), ("on_time_behavior", "on_time")):  # ours: always or nonempty
        if key in spec:
            out.append(f"{name} {spec[key]}")
    if "error" in spec:
        out.append("error " + spec["error"])
    for event in spec["transcript"]:
        ((action, params),) = event.items()
        if action == "input":
            out.append(" ".join(["input", str(len(params))] + [str(v) for v in params]))
        elif action in ("watermark", "clock"):
            out.append(f"{action} {ms(params)}")
        elif action == "expect":
            out.append(f"expect {len(params)}")
            out.extend(pane(p) for p in params)
        elif action != "state":  # how an implementation keeps things is its own business
            raise Refused(f"there is no action {action}")
    return out + ["end"]
