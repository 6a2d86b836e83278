#!/usr/bin/env python3
# tests/run: timeout=900
"""Compares our transcription of the Beam model with the official descriptors. Prints TAP.

Ours: proto/beam_model/*.proto, compiled with protoc, and proto/beam_model/urns.h.
Official: the descriptors in the Python package apache-beam 2.77.0 (scripts/beam-venv).

Compared: every message, field (number, type, label, oneof, packing), reserved range, enum
value, extension, service method with its streaming flags, and the options of enum values. Two
differences are meant and do not count: file names and language options; and a proto3 `optional x`
may be written as a one-member oneof `_x`. The prose of metric descriptions is left out on purpose.

  compare_descriptors.py [--proto-dir DIR]     DIR holds beam_model/ (default: proto)
"""

import argparse
import importlib
import importlib.util
import os
import re
import subprocess
import sys
import tempfile

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
MODEL = "org.apache.beam.model."
PYTHON_PACKAGE = "apache_beam.portability.api." + MODEL

# File, folder of the official module, prefix of the C names (c_package).
FILES = [
    ("beam_runner_api", "pipeline.v1", "Pipe"),
    ("endpoints", "pipeline.v1", "Pipe"),
    ("external_transforms", "pipeline.v1", "Pipe"),
    ("metrics", "pipeline.v1", "Pipe"),
    ("schema", "pipeline.v1", "Pipe"),
    ("standard_window_fns", "pipeline.v1", "Pipe"),
    ("beam_fn_api", "fn_execution.v1", "Fn"),
    ("beam_provision_api", "fn_execution.v1", "Fn"),
    ("beam_job_api", "job_management.v1", "Job"),
    ("beam_artifact_api", "job_management.v1", "Job"),
    ("beam_expansion_api", "job_management.v1", "Exp"),
]

# How urns.h names the values of each enum. An enum with options that is missing here is an error.
URN_PREFIXES = {
    "StandardPTransforms.Primitives": "URN_PRIMITIVE_",
    "StandardPTransforms.DeprecatedPrimitives": "URN_DEPRECATED_",
    "StandardPTransforms.Composites": "URN_COMPOSITE_",
    "StandardPTransforms.CombineComponents": "URN_COMBINE_COMPONENT_",
    "StandardPTransforms.SplittableParDoComponents": "URN_SDF_COMPONENT_",
    "StandardPTransforms.GroupIntoBatchesComponents": "URN_GROUP_INTO_BATCHES_COMPONENT_",
    "FnApiTransforms.Runner": "URN_RUNNER_",
    "StandardCoders.Enum": "URN_CODER_",
    "StandardSideInputTypes.Enum": "URN_SIDE_INPUT_",
    "StandardUserStateTypes.Enum": "URN_USER_STATE_",
    "GlobalWindowsPayload.Enum": "URN_GLOBAL_WINDOWS_",
    "FixedWindowsPayload.Enum": "URN_FIXED_WINDOWS_",
    "SlidingWindowsPayload.Enum": "URN_SLIDING_WINDOWS_",
    "SessionWindowsPayload.Enum": "URN_SESSION_WINDOWS_",
    "StandardEnvironments.Environments": "URN_ENVIRONMENT_",
    "StandardArtifacts.Types": "URN_ARTIFACT_TYPE_",
    "StandardArtifacts.Roles": "URN_ARTIFACT_ROLE_",
    "StandardProtocols.Enum": "URN_PROTOCOL_",
    "StandardRunnerProtocols.Enum": "URN_RUNNER_PROTOCOL_",
    "StandardRequirements.Enum": "URN_REQUIREMENT_",
    "StandardResourceHints.Enum": "URN_RESOURCE_HINT_",
    "StandardDisplayData.DisplayData": "URN_DISPLAY_DATA_",
    "LogicalTypes.Enum": "URN_LOGICAL_TYPE_",
    "MonitoringInfoTypeUrns.Enum": "URN_METRIC_TYPE_",
    "MonitoringInfoSpecs.Enum": "URN_METRIC_",
    "MonitoringInfo.MonitoringInfoLabels": "METRIC_LABEL_",
    "ExpansionMethods.Enum": "URN_EXPANSION_METHOD_",
    "ManagedTransforms.Urns": "URN_MANAGED_",
    "Annotations.Enum": "ANNOTATION_",
    "BeamConstants.Constants": "CONSTANT_",
    "CommitManifestResponse.Constants": "CONSTANT_",
}


def official_files():
    """FileDescriptorProtos by file name; imports the modules, which registers the extensions."""
    from google.protobuf import descriptor_pb2

    files = {}
    for name, folder, _ in FILES:
        module = importlib.import_module(f"{PYTHON_PACKAGE}{folder}.{name}_pb2")
        files[name] = descriptor_pb2.FileDescriptorProto.FromString(
            module.DESCRIPTOR.serialized_pb
        )
    return files


def our_files(proto_dir):
    from google.protobuf import descriptor_pb2

    with tempfile.TemporaryDirectory() as folder:
        out = os.path.join(folder, "set.pb")
        subprocess.run(
            ["protoc", f"-I{proto_dir}", "-I/usr/include", f"--descriptor_set_out={out}"]
            + [f"beam_model/{name}.proto" for name, _, _ in FILES],
            check=True,
        )
        with open(out, "rb") as f:
            compiled = descriptor_pb2.FileDescriptorSet.FromString(f.read())
    return {os.path.basename(f.name).removesuffix(".proto"): f for f in compiled.file}


def option_facts(options):
    """Options as plain data. The extensions are known, so nothing stays an unknown field."""
    facts = []
    for field, value in options.ListFields():
        if field.name == "monitoring_info_spec":
            notes = [(a.key, a.value) for a in value.annotations if a.key != "description"]
            value = (value.urn, value.type, tuple(value.required_labels), tuple(notes))
        elif field.message_type is not None:
            value = value.SerializeToString(deterministic=True)
        facts.append((field.full_name, value))
    return tuple(facts)


def field_facts(message, field):
    """What decides wire format, presence and meaning of a field."""
    oneof = ""
    if field.HasField("oneof_index"):
        oneof = message.oneof_decl[field.oneof_index].name
    packed = field.options.packed if field.options.HasField("packed") else None
    return (field.number, field.type, field.label, field.type_name, oneof, packed,
            option_facts(field.options))


class Facts:
    """All facts of a file, as {path: fact}: two files agree when the dictionaries do."""

    def __init__(self, file):
        self.by_path = {}
        self.add("file", (file.package, file.syntax))
        for extension in file.extension:
            self.add(f"extension {extension.name}",
                     (extension.extendee, extension.number, extension.type, extension.label,
                      extension.type_name))
        self.add_scope("", file.message_type, file.enum_type)
        for service in file.service:
            self.add(f"service {service.name}", ())
            for m in service.method:
                self.add(f"method {service.name}.{m.name}",
                         (m.input_type, m.output_type, m.client_streaming, m.server_streaming))

    def add(self, path, fact):
        assert path not in self.by_path, path
        self.by_path[path] = fact

    def add_scope(self, scope, messages, enums):
        for enum in enums:
            self.add_enum(scope + enum.name, enum)
        for message in messages:
            path = scope + message.name
            reserved = sorted((r.start, r.end) for r in message.reserved_range)
            self.add(f"message {path}",
                     (message.options.map_entry, tuple(reserved), tuple(message.reserved_name)))
            for field in message.field:
                self.add(f"field {path}.{field.name}", field_facts(message, field))
            self.add_scope(path + ".", message.nested_type, message.enum_type)

    def add_enum(self, path, enum):
        reserved = sorted((r.start, r.end) for r in enum.reserved_range)
        self.add(f"enum {path}",
                 (tuple(reserved), tuple(enum.reserved_name), option_facts(enum.options)))
        for value in enum.value:
            self.add(f"value {path}.{value.name}", (value.number, option_facts(value.options)))


def differences(ours, official):
    for path in sorted(official.keys() | ours.keys()):
        if path not in ours:
            yield f"{path}: missing, should be {official[path]}"
        elif path not in official:
            yield f"{path}: not in the official descriptors"
        elif ours[path] != official[path]:
            yield f"{path}: {ours[path]}, should be {official[path]}"


def urn_name(enum, value):
    prefix = URN_PREFIXES[enum]
    if prefix == "URN_METRIC_TYPE_":
        value = value.removesuffix("_TYPE")
    if value == "PROPERTIES":  # The window functions: the message says it all.
        return "BEAMC_" + prefix.rstrip("_")
    return "BEAMC_" + prefix + value


def official_urns(facts):
    """{C name: text} of every enum value that has one of the four options."""
    urns = {}
    for path, fact in facts.items():
        if not path.startswith("value ") or not fact[1]:
            continue
        enum, _, value = path.removeprefix("value ").rpartition(".")
        ((option, text),) = fact[1]
        if option.endswith(".monitoring_info_spec"):
            text = text[0]
        elif option.endswith(".label_props"):
            text = text[2:].decode()  # MonitoringInfoLabelProps.name: tag, length, text.
        name = urn_name(enum, value)
        assert name not in urns, name
        urns[name] = text
    return urns


def header_urns(path):
    """The #defines of urns.h, and the names listed in BEAMC_URNS."""
    with open(path) as f:
        text = f.read().replace("\\\n", " ")
    return dict(re.findall(r'#define (BEAMC_\w+)\s+"([^"]*)"', text)), re.findall(
        r"\bX\((BEAMC_\w+)\)", text
    )


class Tap:
    def __init__(self):
        self.count = 0
        self.failed = False

    def check(self, name, problems):
        problems = list(problems)
        if len(problems) > 20:
            problems[20:] = [f"... and {len(problems) - 20} more"]
        self.count += 1
        self.failed |= bool(problems)
        print(f"{'not ok' if problems else 'ok'} {self.count} - {name}")
        for problem in problems:
            print(f"# {problem}")

    def finish(self):
        print(f"1..{self.count}")
        return 1 if self.failed else 0


def reenter_with_beam():
    """Starts again under the Python that has apache-beam, unless this is the one."""
    if importlib.util.find_spec("apache_beam") or os.environ.get("BEAMC_REENTERED"):
        return
    venv = subprocess.run([os.path.join(ROOT, "scripts", "beam-venv")], stdout=subprocess.PIPE,
                          text=True)
    if venv.returncode != 0:
        if os.environ.get("CI") == "true":
            print("not ok 1 - apache-beam 2.77.0 cannot be installed\n1..1")
            sys.exit(1)
        print("1..0 # SKIP apache-beam 2.77.0 cannot be installed (scripts/beam-venv)")
        sys.exit(0)
    os.environ["BEAMC_REENTERED"] = "1"
    python = venv.stdout.strip()
    os.execv(python, [python, os.path.abspath(__file__)] + sys.argv[1:])


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--proto-dir", default=os.path.join(ROOT, "proto"))
    proto_dir = parser.parse_args().proto_dir

    tap = Tap()
    official = official_files()
    ours = our_files(proto_dir)
    all_official = {}
    for name, _, c_package in FILES:
        facts = Facts(official[name]).by_path
        all_official.update(facts)
        fields = sum(path.startswith("field ") for path in facts)
        tap.check(f"{name}: {len(facts)} facts, {fields} fields",
                  differences(Facts(ours[name]).by_path, facts))
        with open(os.path.join(proto_dir, "beam_model", name + ".proto")) as f:
            wanted = f'option (pb_c_file).c_package = "{c_package}";'
            tap.check(f"{name}: C names begin with {c_package}",
                      [] if wanted in f.read() else [f"no line {wanted}"])

    changed = Facts(ours["beam_runner_api"]).by_path
    changed["field Trigger.default"] = (17,) + changed["field Trigger.default"][1:]
    noticed = list(differences(changed, Facts(ours["beam_runner_api"]).by_path))
    tap.check("a wrong field number would be noticed", [] if len(noticed) == 1 else noticed or ["no"])

    expected = official_urns(all_official)
    defined, listed = header_urns(os.path.join(proto_dir, "beam_model", "urns.h"))
    tap.check(f"urns.h: {len(expected)} names", differences(defined, expected))
    tap.check("urns.h: BEAMC_URNS lists each name once",
              differences({n: listed.count(n) for n in listed}, dict.fromkeys(expected, 1)))
    return tap.finish()


if __name__ == "__main__":
    reenter_with_beam()
    sys.exit(main())
