"""From a real pipeline proto to ProcessBundleDescriptors, the way a runner makes them.

A stage is a choice of the pipeline's own transforms (named by their unique names, or by the end of these) with a
grpc source before every input that is not made inside, and a sink behind every output that nobody inside reads. So
the tests send a worker exactly what its own program wrote: its URNs, its payloads, its coders. Coders that we do
not know are wrapped in length_prefix towards the worker and are bytes towards the test, as runners do it.
"""
from apache_beam.coders import coder_impl
from apache_beam.portability import common_urns
from apache_beam.portability.api import beam_fn_api_pb2 as fn_pb2
from apache_beam.portability.api import beam_runner_api_pb2 as pb
from apache_beam.runners import pipeline_context
from apache_beam.transforms import window
from apache_beam.utils import windowed_value

KNOWN_CODERS = {getattr(common_urns.coders, name).urn for name in (
    'BYTES STRING_UTF8 KV BOOL VARINT DOUBLE ITERABLE TIMER INTERVAL_WINDOW LENGTH_PREFIX GLOBAL_WINDOW '
    'WINDOWED_VALUE PARAM_WINDOWED_VALUE STATE_BACKED_ITERABLE CUSTOM_WINDOW ROW SHARDED_KEY NULLABLE').split()}
_PARDO = common_urns.primitives.PAR_DO.urn
_PHASES = {  # phase -> URN, input, output (names of the intermediate collections of a combine)
    'precombine': ('beam:transform:combine_per_key_precombine:v1', 'in', 'accumulators'),
    'convert': ('beam:transform:combine_per_key_convert_to_accumulators:v1', 'in', 'accumulators'),
    'merge': ('beam:transform:combine_per_key_merge_accumulators:v1', 'grouped', 'merged'),
    'extract': ('beam:transform:combine_per_key_extract_outputs:v1', 'merged', 'out'),
    'grouped_values': ('beam:transform:combine_grouped_values:v1', 'values', 'out'),
}


def load_pipeline(path):
    with open(path, 'rb') as file:
        return pb.Pipeline.FromString(file.read())


def global_window(value, timestamp=window.GlobalWindow().max_timestamp(), pane=windowed_value.PANE_INFO_UNKNOWN):
    return windowed_value.WindowedValue(value, timestamp, (window.GlobalWindow(),), pane)


class Stage:
    """descriptor, and the coders to talk to it: encode(values) for a source, decode(bytes) from a sink.

    steps: unique names, or ends of them; (name, phase) takes one phase of a combine composite. keep: collections
    (names of the transforms that make them) that get a sink although a step inside reads them. unknown: URNs of coders
    that this runner is to treat as foreign.
    """

    def __init__(self, pipeline, steps, runner, stage_id='stage-1', keep=(), state=True, unknown=()):
        self.components = pb.Components()
        self.components.CopyFrom(pipeline.components)
        self.runner = runner
        self.descriptor = fn_pb2.ProcessBundleDescriptor(id=stage_id)
        self.made_with_prefix = {}
        self.known_coders = KNOWN_CODERS - set(unknown)
        self._choose(steps)
        self._wrap_unknown_coders()
        self._ports(keep)
        self._fill(state)
        self._make_context()

    # --- the transforms ---

    def find(self, name):
        """The id of the transform whose unique name is, or ends in, name."""
        found = [i for i, t in self.components.transforms.items() if t.unique_name == name or i == name]
        found = found or [i for i, t in self.components.transforms.items()
                          if t.unique_name.endswith('/' + name)]
        if len(found) != 1:
            raise KeyError('%d transforms are named %r; there are: %s' % (len(found), name, ', '.join(
                sorted(t.unique_name for t in self.components.transforms.values()))))
        return found[0]

    def leaf(self, name):
        """The same, but a composite around a single transform is that transform."""
        transform_id = self.find(name)
        while self.components.transforms[transform_id].subtransforms:
            (transform_id,) = self.components.transforms[transform_id].subtransforms
        return transform_id

    def _choose(self, steps):
        self.steps = {}
        for step in steps:
            if isinstance(step, tuple):
                transform_id = self.find(step[0])
                self.steps['%s/%s' % (transform_id, step[1])] = self._phase(transform_id, step[1])
            else:
                transform_id = self.leaf(step)
                self.steps[transform_id] = pb.PTransform()
                self.steps[transform_id].CopyFrom(self.components.transforms[transform_id])

    def _phase(self, composite_id, phase):
        composite = self.components.transforms[composite_id]
        urn, reads, writes = _PHASES[phase]
        payload = pb.CombinePayload.FromString(composite.spec.payload)
        outer_in, outer_out = list(composite.inputs.values())[0], list(composite.outputs.values())[0]
        kv = self.components.coders[self.components.pcollections[outer_in].coder_id]
        key, value = kv.component_coder_ids

        def collection(name):
            if name in ('in', 'out'):
                return outer_in if name == 'in' else outer_out
            coder = payload.accumulator_coder_id if name != 'values' else value
            if name in ('grouped', 'values'):
                coder = self._add_coder('iterable', coder)
            new = '%s/%s' % (composite_id, name)
            self.components.pcollections[new].CopyFrom(self.components.pcollections[outer_in])
            self.components.pcollections[new].coder_id = self._add_coder('kv', key, coder)
            self.components.pcollections[new].unique_name = new
            return new

        # The environment is the composite's, or that of any transform inside it.
        environment = composite.environment_id or next(
            t.environment_id for t in self.components.transforms.values() if t.environment_id)
        return pb.PTransform(unique_name='%s/%s' % (composite.unique_name, phase), environment_id=environment,
                             spec=pb.FunctionSpec(urn=urn, payload=composite.spec.payload),
                             inputs={'in': collection(reads)}, outputs={'out': collection(writes)})

    def _add_coder(self, kind, *component_ids):
        new = '%s<%s>' % (kind, ','.join(component_ids))
        self.components.coders[new].spec.urn = 'beam:coder:%s:v1' % kind
        self.components.coders[new].component_coder_ids[:] = component_ids
        return new

    # --- coders ---

    def _wrap_unknown_coders(self):
        """Towards the worker, a coder that we do not know stands in a length_prefix."""
        wrapped = {}

        def wrap(coder_id):
            if coder_id not in wrapped:
                coder = self.components.coders[coder_id]
                wrapped[coder_id] = coder_id
                if coder.spec.urn not in self.known_coders:
                    wrapped[coder_id] = self._add_coder('length_prefix', coder_id)
                    self.made_with_prefix[wrapped[coder_id]] = coder_id
                elif coder.spec.urn != common_urns.coders.LENGTH_PREFIX.urn:
                    parts = [wrap(c) for c in coder.component_coder_ids]
                    if parts != list(coder.component_coder_ids):
                        wrapped[coder_id] = coder_id + '_wire'
                        self.components.coders[coder_id + '_wire'].CopyFrom(coder)
                        self.components.coders[coder_id + '_wire'].component_coder_ids[:] = parts
                elif self.components.coders[coder.component_coder_ids[0]].spec.urn not in self.known_coders:
                    self.made_with_prefix[coder_id] = coder.component_coder_ids[0]
            return wrapped[coder_id]

        self.wire_coder = {p: wrap(c.coder_id) for p, c in self.components.pcollections.items()}
        self.window_coder = {w: wrap(s.window_coder_id) for w, s in self.components.windowing_strategies.items()}
        for transform in self.steps.values():
            if transform.spec.urn == _PARDO:
                payload = pb.ParDoPayload.FromString(transform.spec.payload)
                for family in payload.timer_family_specs.values():
                    family.timer_family_coder_id = wrap(family.timer_family_coder_id)
                transform.spec.payload = payload.SerializeToString()
                for tag in payload.side_inputs:  # read through the state service, so its coder is a wire coder
                    collection = transform.inputs[tag]
                    self.components.pcollections[collection].coder_id = self.wire_coder[collection]

    def _make_context(self):
        """What we decode with: the same coder ids, but what stands in a length_prefix of unknown content is bytes."""
        ours = pb.Components()
        ours.CopyFrom(self.components)
        ours.coders['test/bytes'].spec.urn = common_urns.coders.BYTES.urn
        for prefixed in self.made_with_prefix:
            ours.coders[prefixed].component_coder_ids[:] = ['test/bytes']
        self.context = pipeline_context.PipelineContext(ours)

    def coder(self, coder_id):
        """Our coder for an id of the descriptor."""
        return self.context.coders.get_by_id(coder_id)

    def _windowed(self, collection):
        strategy = self.components.pcollections[collection].windowing_strategy_id
        return self._add_coder('windowed_value', self.wire_coder[collection], self.window_coder[strategy])

    # --- sources, sinks, descriptor ---

    def _ports(self, keep):
        made, read = {}, {}
        for transform_id, transform in self.steps.items():
            side = set()
            if transform.spec.urn == _PARDO:
                side = set(pb.ParDoPayload.FromString(transform.spec.payload).side_inputs)
            for tag, collection in transform.inputs.items():
                if tag not in side:
                    read.setdefault(collection, []).append(transform_id)
            for collection in transform.outputs.values():
                made[collection] = transform_id
        kept = {self.leaf(name) for name in keep}
        self.sources = {'%s_source' % c: c for c in sorted(read) if c not in made}
        self.sinks = {'%s_sink' % c: c for c in sorted(made) if c not in read or made[c] in kept}

    def _fill(self, state):
        descriptor = self.descriptor
        for transform_id, transform in self.steps.items():
            descriptor.transforms[transform_id].CopyFrom(transform)
        self._port_coder = {}
        for ports, urn in ((self.sources, 'beam:runner:source:v1'), (self.sinks, 'beam:runner:sink:v1')):
            for port, collection in ports.items():
                coder_id = self._windowed(collection)
                self._port_coder[port] = coder_id
                transform = descriptor.transforms[port]
                transform.unique_name = port
                transform.spec.urn = urn
                remote = fn_pb2.RemoteGrpcPort(coder_id=coder_id)
                remote.api_service_descriptor.url = self.runner.endpoints['data']
                transform.spec.payload = remote.SerializeToString()
                (transform.outputs if urn.endswith('source:v1') else transform.inputs)['port'] = collection
        used = {c for t in descriptor.transforms.values() for c in (*t.inputs.values(), *t.outputs.values())}
        for collection in used:
            descriptor.pcollections[collection].CopyFrom(self.components.pcollections[collection])
        for name in ('windowing_strategies', 'coders', 'environments'):
            for key, value in getattr(self.components, name).items():
                getattr(descriptor, name)[key].CopyFrom(value)
        if state:
            descriptor.state_api_service_descriptor.url = self.runner.endpoints['state']
        if any(pb.ParDoPayload.FromString(t.spec.payload).timer_family_specs for t in self.steps.values()
               if t.spec.urn == _PARDO):
            descriptor.timer_api_service_descriptor.url = self.runner.endpoints['data']

    def source(self, reader=None):
        """The id of the source that feeds the transform of that name (the only source, if none is given)."""
        if reader is None:
            (only,) = self.sources
            return only
        inputs = set(self.steps[self.leaf(reader)].inputs.values())
        (one,) = [s for s, c in self.sources.items() if c in inputs]
        return one

    def sink(self, maker=None, tag=None):
        """The id of the sink behind the transform (and output tag) of that name."""
        if maker is None:
            (only,) = self.sinks
            return only
        outputs = self.steps[self.leaf(maker)].outputs
        wanted = {outputs[tag]} if tag is not None else set(outputs.values())
        (one,) = [s for s, c in self.sinks.items() if c in wanted]
        return one

    # --- elements ---

    def encode(self, values, source=None):
        """Elements as they stand on the wire. Plain values get the global window and its timestamp."""
        impl = self.coder(self._port_coder[source or self.source()]).get_impl()
        out = coder_impl.create_OutputStream()
        for value in values:
            if not isinstance(value, windowed_value.WindowedValue):
                value = global_window(value)
            impl.encode_to_stream(value, out, True)
        return out.get()

    def decode(self, data, sink=None):
        """WindowedValues; fails on a cut element."""
        impl = self.coder(self._port_coder[sink or self.sink()]).get_impl()
        stream, values = coder_impl.create_InputStream(data), []
        while stream.size() > 0:
            values.append(impl.decode_from_stream(stream, True))
        return values

    def values(self, data, sink=None):
        return [w.value for w in self.decode(data, sink)]

    def timer_coder(self, step, family):
        payload = pb.ParDoPayload.FromString(self.steps[self.leaf(step)].spec.payload)
        return self.coder(payload.timer_family_specs[family].timer_family_coder_id)


def encode_nested(coder, values):
    out = coder_impl.create_OutputStream()
    for value in values:
        coder.get_impl().encode_to_stream(value, out, True)
    return out.get()


def decode_nested(coder, data):
    stream, values = coder_impl.create_InputStream(data), []
    while stream.size() > 0:
        values.append(coder.get_impl().decode_from_stream(stream, True))
    return values

