#!/usr/bin/env python3
# tests/run: timeout=600 sanitizers
"""Apache Beam's own trigger transcripts (trigger_transcripts.yaml of the Python package, 2.77.0) against our grouper.

Each is one test, run several times by tests/triggers/programs/transcript: as it is; with the grouper
saved and loaded between the steps, as a whole and by its records; and, where the order of elements
does not matter, with other orders and bundles, as Beam's own tests do. Other files with transcripts
may be named on the command line instead.
"""
import json
import os
import subprocess
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import transcripts  # noqa: E402

ROOT = os.environ.get("BEAMC_ROOT") or os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BUILD = os.environ.get("BEAMC_BUILD") or os.path.join(ROOT, "build", "release")
TRANSCRIPTS = 18

# What the portable model cannot say; docs/capabilities.md gives the reasons.
REFUSED = {"OUTPUT_AT_EARLIEST_TRANSFORMED"}

DUMP = """
import json, os, sys, yaml, apache_beam
paths = sys.argv[1:] or [os.path.join(os.path.dirname(apache_beam.__file__), 'testing', 'data', 'trigger_transcripts.yaml')]
json.dump([spec for path in paths for spec in yaml.safe_load_all(open(path, encoding='utf-8')) if spec], sys.stdout)
"""


def load(files):
    venv = subprocess.run([os.path.join(ROOT, "scripts", "beam-venv")], stdout=subprocess.PIPE, text=True)
    if venv.returncode != 0:
        return None
    dump = subprocess.run([venv.stdout.strip(), "-c", DUMP] + files, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
                          check=True)
    return json.loads(dump.stdout)


def run(spec):
    """None, or what went wrong."""
    try:
        text = "\n".join(transcripts.lines(spec)) + "\n"
    except transcripts.Refused as why:
        return None if any(name in str(why) for name in REFUSED) else str(why)
    program = os.path.join(BUILD, "tests", "triggers", "programs", "transcript")
    done = subprocess.run([program], input=text, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    return None if done.returncode == 0 else done.stdout.strip() or f"exit code {done.returncode}"


def main():
    specs = load(sys.argv[1:])
    if specs is None:
        print("1..0 # SKIP apache-beam 2.77.0 cannot be installed here")
        return 0
    if not sys.argv[1:] and len(specs) != TRANSCRIPTS:
        print(f"Bail out! {len(specs)} transcripts, not {TRANSCRIPTS}")
        return 1
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
