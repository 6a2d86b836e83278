#!/usr/bin/env python3
"""Reads the #include lines of every source and proves that dependencies point one way (make check-layers).

base <- coder <- graph <- (transforms, io: public headers only); base, coder <- worker/exec <- worker/harness; the local
runner knows the plan through worker/exec/bundle.h alone; gRPC is included in worker/rpc only, and protobuf-c neither in
the runner's engine nor, in worker/exec, outside of translate*. One exception has to be written down here, in LAYERS.
"""
import os
import re
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
INCLUDE = re.compile(r'^\s*#\s*include\s+(["<])([^">]+)[">]')

# (path prefix, layer), the first match decides.
LAYER_OF = [
    ("sdk/include/beamc/", "public"),
    ("sdk/base/", "base"),
    ("sdk/coder/schema.", "coder_model"),
    ("sdk/coder/from_proto.", "coder_model"),
    ("sdk/coder/to_proto.", "coder_model"),
    ("sdk/coder/", "coder"),
    ("sdk/graph/payload.h", "library"),
    ("sdk/graph/builtin_fns.h", "library"),
    ("sdk/graph/", "graph"),
    ("sdk/program/library.h", "library"),
    ("sdk/", "sdk"),
    ("proto/beam_model/urns.h", "urns"),
    ("proto/", "proto"),
    ("worker/exec/bundle.", "bundle"),
    ("worker/exec/translate", "translate"),
    ("worker/exec/", "exec"),
    ("worker/rpc/", "rpc"),
    ("worker/", "harness"),
    ("runner/engine", "engine"),
    ("runner/run_local.", "front"),
    ("runner/", "runner"),
    ("transforms/", "transforms"),
    ("io/", "io"),
    ("submit/", "submit"),
    ("examples/", "examples"),
    ("tools/", "tools"),
    ("bench/", "bench"),
    ("tests/", "tests"),
]
# layer: what it may include besides itself. "proto" covers the generated headers and protobuf-c's own; "urns" are
# string constants, "library" the table that finds a program's functions by URN, and how they stand on the wire.
LAYERS = {
    "public": "",
    "base": "public",
    "coder": "public base urns",
    "coder_model": "public base coder proto urns",  # coders from and to the model's messages
    "graph": "public base coder proto urns library",
    "urns": "",
    "proto": "public base urns",
    "library": "public base graph",
    # options, the registry of functions, and beamc_main, which picks the runner or the worker
    "sdk": "public base coder graph proto bundle exec runner engine urns library front",
    "bundle": "public base coder",
    "exec": "public base coder graph bundle translate urns library",
    "translate": "public base coder graph bundle exec proto urns library",
    "rpc": "public base grpc",
    "harness": "public base coder bundle exec translate rpc proto sdk urns library",
    "engine": "public base coder bundle urns",
    "runner": "public base coder graph bundle engine proto urns library front",
    # a program's door to the runner: options in, a report out
    "front": "public base coder graph bundle exec engine runner proto urns library sdk",
    "io": "public",
    "transforms": "public",
    "submit": "public base coder graph proto rpc harness sdk urns library",
    "examples": "public",
    "tools": "public base coder graph proto bundle exec translate runner engine sdk io transforms urns library front",
    "bench": "public base coder graph proto bundle exec translate runner engine sdk rpc harness submit urns library front",
    "tests": "public base coder graph proto bundle exec translate runner engine sdk rpc grpc harness submit io transforms urns library front",
}
FOREIGN = [("grpc/", "grpc"), ("grpcpp/", "grpc"), ("protobuf-c/", "proto"), ("google/protobuf/", "proto")]


def layer_of(path):
    return next((layer for prefix, layer in LAYER_OF if path.startswith(prefix)), None)


def target_layer(source, quote, name):
    """The layer of an included file; None for a system or third-party header; "?" where nothing is found."""
    if name.endswith(".pb-c.h"):
        return "proto"
    for prefix, layer in FOREIGN:
        if name.startswith(prefix):
            return layer
    roots = ([os.path.dirname(source)] if quote == '"' else []) + ["sdk/include", "sdk", ""]
    for root in roots:
        path = os.path.normpath(os.path.join(root, name))
        if os.path.exists(os.path.join(ROOT, path)):
            return layer_of(path)
    return "?" if quote == '"' else None


def same_folder(source, name):
    """io/sqlite/ may include io/sqlite/ and io/common/, not io/jsonl/; the same for transforms/.
    A file directly in io/ brings its folders together."""
    parts = source.split("/")
    if len(parts) == 2 or name.startswith(parts[0] + "/common/"):
        return True
    path = os.path.join(ROOT, os.path.dirname(source), name)
    return os.path.exists(path) or name.startswith("/".join(parts[:2]) + "/")


def check(source):
    layer, problems = layer_of(source), []
    allowed = set(LAYERS[layer].split()) | {layer}
    if "proto" in allowed:
        allowed.add("coder_model")
    with open(os.path.join(ROOT, source), encoding="utf-8") as f:
        for number, line in enumerate(f, 1):
            found = INCLUDE.match(line)
            if not found:
                continue
            target = target_layer(source, *found.groups())
            if target == "?":
                problems.append(f'{source}:{number}: "{found.group(2)}" is not in the project (use <> for a system header)')
            elif target is not None and target not in allowed:
                problems.append(f"{source}:{number}: {layer} must not include {found.group(2)} ({target})")
            elif target == layer and layer in ("io", "transforms") and not same_folder(source, found.group(2)):
                problems.append(f"{source}:{number}: {found.group(2)} is private to another folder of {layer}/")
    return problems


def sources():
    for top in sorted({prefix.split("/")[0] for prefix, _ in LAYER_OF}):
        for folder, _, files in os.walk(os.path.join(ROOT, top)):
            for name in sorted(files):
                if name.endswith((".c", ".h", ".cc")):
                    yield os.path.relpath(os.path.join(folder, name), ROOT)


def main():
    problems, count = [], 0
    for source in sources():
        count += 1
        problems += check(source)
    for problem in problems:
        print(problem, file=sys.stderr)
    print(f"check-layers: {count} files, {len(problems)} includes in the wrong direction")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
