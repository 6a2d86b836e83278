#!/usr/bin/env python3
# tests/run: timeout=600 sanitizers
"""Every vector of the Beam model's standard_coders.yaml, in both contexts, encoded and decoded; none is left out.

The file comes with the Python package apache-beam 2.77.0 (scripts/beam-venv). It is handed to
tests/coders/programs/standard_coders as JSON lines, bytes as hexadecimal; that program prints the TAP.
"""
import json
import os
import subprocess
import sys

ROOT = os.environ.get("BEAMC_ROOT") or os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BUILD = os.environ.get("BEAMC_BUILD") or os.path.join(ROOT, "build", "release")
DOCUMENTS, EXAMPLES = 45, 124

DUMP = """
import json, os, sys, yaml, apache_beam.portability.api as api
path = os.path.join(os.path.dirname(api.__file__), 'standard_coders.yaml')
with open(path, encoding='utf-8') as f:
    json.dump([dict(d, examples=list(d['examples'].items())) for d in yaml.safe_load_all(f)], sys.stdout)
"""


def hexed(text):
    """The YAML writes bytes as text, one code point for each."""
    return text.encode("latin-1").hex()


def coder(spec):
    return {
        "urn": spec["urn"],
        "payload": hexed(spec.get("payload", "")),
        "components": [coder(c) for c in spec.get("components", [])],
    }


def line(number, doc):
    return {
        "name": f"{number:02d} {doc['coder']['urn'].split(':')[-2]}",
        "coder": coder(doc["coder"]),
        "state": {hexed(k): hexed(v) for k, v in doc["coder"].get("state", {}).items()},
        "nested": [doc["nested"]] if "nested" in doc else [True, False],
        "decode_only": doc["coder"].get("non_deterministic", False),
        "examples": [{"bytes": hexed(k), "value": v} for k, v in doc["examples"]],
    }


def main():
    venv = subprocess.run([os.path.join(ROOT, "scripts", "beam-venv")], stdout=subprocess.PIPE, text=True)
    if venv.returncode != 0:
        print("1..0 # SKIP apache-beam 2.77.0 cannot be installed here")
        return 0
    dump = subprocess.run([venv.stdout.strip(), "-c", DUMP], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=True)
    docs = json.loads(dump.stdout)
    examples = sum(len(d["examples"]) for d in docs)
    if (len(docs), examples) != (DOCUMENTS, EXAMPLES):
        print(f"Bail out! {len(docs)} documents with {examples} examples, not {DOCUMENTS} with {EXAMPLES}")
        return 1
    text = "".join(json.dumps(line(i, d)) + "\n" for i, d in enumerate(docs, 1))
    program = os.path.join(BUILD, "tests", "coders", "programs", "standard_coders")
    return subprocess.run([program], input=text, text=True).returncode


if __name__ == "__main__":
    sys.exit(main())
