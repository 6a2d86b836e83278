"""Plays transcripts (in the lines of transcripts.py) as whole pipelines: programs/transcript_pipeline.c on some runner.

`play` gives the panes of each step, by key, as dicts like those of model.py; comparing is up to the caller.
"""
import collections
import os
import subprocess
import tempfile

ROOT = os.environ.get("BEAMC_ROOT") or os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BUILD = os.environ.get("BEAMC_BUILD") or os.path.join(ROOT, "build", "release")
PROGRAM = os.path.join(BUILD, "interop", "transcript_pipeline")
KEYS = ("first", "second", "third")  # every transcript's; "single" and "pairs" where bundles do not matter

FORMS = [("group", 1), ("group", 4), ("combine", 1), ("combine", 4)]  # and --parallelism


class Failed(Exception):
    pass


def read_log(path):
    """[(step, {key: [pane]})] in the order of the log; the step of what comes behind the last mark is None."""
    steps, panes = [], collections.defaultdict(list)
    with open(path, encoding="utf-8") as lines:
        for line in lines:
            words = line.split()
            if words[0] == "step":
                steps.append((int(words[1]), dict(panes)))
                panes = collections.defaultdict(list)
                continue
            _, key, start, end, at, index, other, timing, first, last = words[:10]
            panes[key].append({"start": int(start), "end": int(end), "timestamp": int(at), "index": int(index),
                               "nonspeculative": int(other), "timing": timing, "first": first == "1",
                               "last": last == "1", "values": [int(v) for v in words[10:]]})
    return steps + [(None, dict(panes))]


def play(text, form="group", flags=(), timeout=60):
    with tempfile.TemporaryDirectory(prefix="transcript-") as folder:
        script, log = os.path.join(folder, "script"), os.path.join(folder, "log")
        with open(script, "w", encoding="utf-8") as out:
            out.write(text)
        open(log, "w", encoding="utf-8").close()
        done = subprocess.run([PROGRAM, "--transcript=" + script, "--log=" + log, "--form=" + form, *flags],
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=timeout)
        if done.returncode != 0:
            raise Failed(done.stdout.strip() or f"exit code {done.returncode}")
        return read_log(log)


def show(panes):
    return "; ".join("[%(start)d, %(end)d) %(values)s at %(timestamp)d %(timing)s %(index)d/%(nonspeculative)d" % p +
                     (" first" if p["first"] else "") + (" last" if p["last"] else "") for p in panes) or "nothing"
