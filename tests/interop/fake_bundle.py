"""One process_bundle instruction against the fake runner: send input, read the response and the output."""
from apache_beam.portability.api import beam_fn_api_pb2 as fn_pb2
from apache_beam.portability.api import beam_runner_api_pb2 as pb

from fake_state import TIMEOUT, wait


class BundleFailed(Exception):
    """The worker answered an instruction with an error."""


class Bundle:
    """One process_bundle instruction: send input, read the response and the output."""

    def __init__(self, runner, descriptor, start=True, instruction_id=None, data_stream_id='', **request_fields):
        self.runner = runner
        self.descriptor = descriptor
        self.id = instruction_id or runner.next_id('bundle')
        self.stream = data_stream_id
        self.fields = request_fields
        self.ended_inputs = set()
        self.future = None
        transforms = descriptor.transforms
        self.sources = sorted(i for i, t in transforms.items() if t.spec.urn == 'beam:runner:source:v1')
        self.sinks = sorted(i for i, t in transforms.items() if t.spec.urn == 'beam:runner:sink:v1')
        self.timer_families = sorted(timer_families(descriptor))
        if start:
            self.start()

    def start(self, **more):
        request = fn_pb2.ProcessBundleRequest(process_bundle_descriptor_id=self.descriptor.id,
                                              data_stream_id=self.stream, **dict(self.fields, **more))
        self.future = self.runner.request('process_bundle', request, instruction_id=self.id)
        return self

    def elements(self, source, data=b'', last=False):
        return fn_pb2.Elements(data=[fn_pb2.Elements.Data(instruction_id=self.id, transform_id=source, data=data,
                                                          is_last=last)])

    def timer_elements(self, transform, family, timers=b'', last=False):
        return fn_pb2.Elements(timers=[fn_pb2.Elements.Timers(
            instruction_id=self.id, transform_id=transform, timer_family_id=family, timers=timers, is_last=last)])

    def send(self, source, data, last=False):
        if last:
            self.ended_inputs.add(source)
        self.runner.send_elements(self.elements(source, data, last), self.stream)
        return self

    def send_timers(self, transform, family, timers, last=False):
        if last:
            self.ended_inputs.add((transform, family))
        self.runner.send_elements(self.timer_elements(transform, family, timers, last), self.stream)
        return self

    def all_ends(self):
        """One Elements with the terminator of every input that is still open."""
        message = fn_pb2.Elements()
        for source in self.sources:
            if source not in self.ended_inputs:
                message.MergeFrom(self.elements(source, last=True))
        for transform, family in self.timer_families:
            if (transform, family) not in self.ended_inputs:
                message.MergeFrom(self.timer_elements(transform, family, last=True))
        return message

    def end_input(self):
        message = self.all_ends()
        if message.data or message.timers:
            self.runner.send_elements(message, self.stream)
        self.ended_inputs.update(self.sources, self.timer_families)
        return self

    def response(self, timeout=None):
        """The InstructionResponse, error or not."""
        return self.future.result(TIMEOUT if timeout is None else timeout)

    def inbox(self, timeout=None):
        """What arrived on the data plane, once all terminators have."""
        expected = self.sinks + self.timer_families
        with self.runner.lock:
            inbox = self.runner.inboxes[self.id]
            wait(self.runner.lock, lambda: all(inbox.ended[k] for k in expected),
                  'terminator from all of %s' % expected, timeout)
        return inbox

    def result(self, timeout=None):
        """Waits for success; the ProcessBundleResponse. Also checks the bundle's terminators and their order."""
        response = self.response(timeout)
        if response.error:
            raise BundleFailed(response.error)
        assert response.WhichOneof('response') == 'process_bundle', response
        if not response.process_bundle.HasField('elements'):
            inbox = self.inbox(timeout)
            assert not inbox.after_end, 'data after the end of %s' % inbox.after_end
            twice = [k for k, n in inbox.ended.items() if n > 1]
            assert not twice, 'ended twice: %s' % twice
        return response.process_bundle

    def output(self, sink=None, timeout=None):
        """All bytes for one sink (the only one, if none is named), in order, embedded in the response or not."""
        response = self.result(timeout)
        sink = sink or self.sinks[0]
        if response.HasField('elements'):
            return b''.join(d.data for d in response.elements.data if d.transform_id == sink)
        return b''.join(self.inbox(timeout).data[sink])

    def timers(self, transform, family, timeout=None):
        response = self.result(timeout)
        if response.HasField('elements'):
            return b''.join(t.timers for t in response.elements.timers
                            if (t.transform_id, t.timer_family_id) == (transform, family))
        return b''.join(self.inbox(timeout).timers[(transform, family)])

    def error(self, timeout=None):
        """Waits for failure; the error text."""
        response = self.response(timeout)
        assert response.error, 'the bundle succeeded, an error was expected'
        return response.error

    def progress(self, timeout=None):
        return self.runner.ask('process_bundle_progress', timeout, message=fn_pb2.ProcessBundleProgressRequest(
            instruction_id=self.id))

    def split_request(self, fraction=0.5, allowed=(), estimated=0, source=None):
        desired = fn_pb2.ProcessBundleSplitRequest.DesiredSplit(
            fraction_of_remainder=fraction, allowed_split_points=allowed, estimated_input_elements=estimated)
        return fn_pb2.ProcessBundleSplitRequest(instruction_id=self.id,
                                                desired_splits={source or self.sources[0]: desired})

    def split(self, fraction=0.5, allowed=(), estimated=0, source=None, timeout=None):
        return self.runner.ask('process_bundle_split', timeout,
                               message=self.split_request(fraction, allowed, estimated, source))

    def finalize(self, timeout=None):
        return self.runner.ask('finalize_bundle', timeout, message=fn_pb2.FinalizeBundleRequest(
            instruction_id=self.id))


def timer_families(descriptor):
    """(transform, family) of every timer that a descriptor's ParDos declare."""
    for transform_id, transform in descriptor.transforms.items():
        if transform.spec.urn == 'beam:transform:pardo:v1':
            for family in pb.ParDoPayload.FromString(transform.spec.payload).timer_family_specs:
                yield transform_id, family
