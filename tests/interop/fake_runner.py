"""A scripted runner: every Fn API service, on ports of its own, and nothing happens unless the test says so.

It exists for what no real runner sends: embedded elements, named streams, split allow-lists, cache tokens, broken
streams, garbage frames, late splits, unknown instruction arms. Descriptors and coders are bundles.py's business;
this file moves bytes. Threads: gRPC's pool runs the handlers; a test calls from its own thread, and every wait has
a timeout. Messages go out as protos or as bytes (sent as they are, which is how a broken frame is sent).
"""
import collections
import hashlib
import itertools
import json
import os
import queue
import shlex
import subprocess
import sys
import threading
import time
from concurrent import futures

import grpc
from apache_beam.portability.api import beam_artifact_api_pb2 as artifact_pb2
from apache_beam.portability.api import beam_fn_api_pb2 as fn_pb2
from apache_beam.portability.api import beam_fn_api_pb2_grpc as fn_grpc
from apache_beam.portability.api import beam_provision_api_pb2 as provision_pb2
from apache_beam.portability.api import beam_runner_api_pb2 as pb
from google.protobuf import struct_pb2

from fake_bundle import Bundle, BundleFailed
from fake_state import TIMEOUT, State, wait
from lib import stop_group

_FN = 'org.apache.beam.model.fn_execution.v1.'
_JOB = 'org.apache.beam.model.job_management.v1.'
_OPTIONS = [('grpc.max_receive_message_length', -1), ('grpc.max_send_message_length', -1), ('grpc.so_reuseport', 0),
            ('grpc.http2.min_ping_interval_without_data_ms', 10), ('grpc.http2.max_ping_strikes', 0),
            ('grpc.keepalive_permit_without_calls', 1)]
SERVICES = ('control', 'data', 'state', 'logging', 'provision', 'artifact', 'status')


class WorkerGone(Exception):
    """The worker's control stream ended while an answer was awaited."""


def _serialize(message):
    return message if isinstance(message, bytes) else message.SerializeToString()


class Stream:
    """The runner's half of a bidi call: a queue of what to send, ended politely or broken."""

    _END = object()

    def __init__(self, context):
        self.context = context
        self.metadata = [(m.key, m.value) for m in context.invocation_metadata()]
        self.closed = threading.Event()  # the worker is gone, or has closed its side
        self.half_closed = threading.Event()
        self._queue = queue.Queue()
        context.add_callback(self._on_done)

    def _on_done(self):
        self.closed.set()
        self._queue.put(self._END)

    def send(self, message):
        self._queue.put(message)

    def end(self):
        """Ends the stream with status OK, after what was queued."""
        self._queue.put(self._END)

    def abort(self, code=grpc.StatusCode.UNAVAILABLE, text='broken by the test'):
        self._queue.put((code, text))

    def outgoing(self):
        while True:
            item = self._queue.get()
            if item is self._END:
                return
            if isinstance(item, tuple):
                self.context.abort(*item)
            yield item

    def reader(self, incoming, on_message, name):
        def read():
            try:
                for message in incoming:
                    on_message(message)
            except Exception:  # gRPC raises a bare Exception when the peer cancels or dies
                pass
            self.half_closed.set()
            on_message(None)

        threading.Thread(target=read, name=name, daemon=True).start()


class Inbox:
    """What the worker sent for one instruction on the data plane."""

    def __init__(self):
        self.data = collections.defaultdict(list)  # transform -> [bytes]
        self.timers = collections.defaultdict(list)  # (transform, family) -> [bytes]
        self.ended = collections.Counter()  # transform or (transform, family) -> number of is_last
        self.messages = 0
        self.after_end = []  # data behind an is_last: a protocol error


class FakeRunner:
    """Start it, start one worker, talk. Use as a context manager, or call close()."""

    def __init__(self, tmp, one_port=False, capabilities=(), pipeline_options=None):
        self.tmp = tmp
        self.worker_id = 'worker-1[job]_%d' % os.getpid()
        self.lock = threading.Condition()
        self.descriptors = {}
        self.descriptor_fetches = []
        self.descriptor_hook = None
        self.control = None
        self.data_streams = {}  # data_stream_id -> Stream
        self.state_streams, self.logging_streams, self.status_streams = [], [], []
        self.inboxes = collections.defaultdict(Inbox)
        self.pending = {}
        self.unexpected = []  # responses to nothing that we asked
        self.logs = []
        self.state = State()
        self.calls = []  # (service, metadata)
        self.artifacts = {}  # staged name -> bytes
        self.artifact_hashes = {}  # staged name -> a false sha256
        self.workers = []
        self._ids = itertools.count(1)
        self._status_answers = {}
        self.provision = provision_pb2.ProvisionInfo(runner_capabilities=capabilities)
        self.provision.pipeline_options.CopyFrom(struct_pb2.Struct())
        self.provision.pipeline_options.update(pipeline_options or {})
        self.servers, self.endpoints = {}, {}
        self._start(one_port)

    # --- servers ---

    def _start(self, one_port):
        kinds = [SERVICES] if one_port else [(s,) for s in SERVICES]
        for names in kinds:
            server = grpc.server(futures.ThreadPoolExecutor(32), options=_OPTIONS)
            for name in names:
                for handler in getattr(self, '_handlers_' + name)():
                    server.add_generic_rpc_handlers((handler,))
            port = server.add_insecure_port('localhost:0')
            server.start()
            for name in names:
                self.servers[name], self.endpoints[name] = server, 'localhost:%d' % port
        for name in ('control', 'logging', 'artifact', 'status'):
            getattr(self.provision, name + '_endpoint').url = self.endpoints[name]

    def _seen(self, service, context):
        self.calls.append((service, [(m.key, m.value) for m in context.invocation_metadata()]))

    @staticmethod
    def _service(name, **methods):
        return grpc.method_handlers_generic_handler(name, methods)

    @staticmethod
    def _bidi(function, request_type):
        return grpc.stream_stream_rpc_method_handler(function, request_type.FromString, _serialize)

    @staticmethod
    def _unary(function, request_type):
        return grpc.unary_unary_rpc_method_handler(function, request_type.FromString, _serialize)

    def _handlers_control(self):
        return [self._service(_FN + 'BeamFnControl', Control=self._bidi(self._on_control, fn_pb2.InstructionResponse),
                              GetProcessBundleDescriptor=self._unary(self._on_descriptor,
                                                                     fn_pb2.GetProcessBundleDescriptorRequest))]

    def _handlers_data(self):
        return [self._service(_FN + 'BeamFnData', Data=self._bidi(self._on_data, fn_pb2.Elements))]

    def _handlers_state(self):
        return [self._service(_FN + 'BeamFnState', State=self._bidi(self._on_state, fn_pb2.StateRequest))]

    def _handlers_logging(self):
        return [self._service(_FN + 'BeamFnLogging', Logging=self._bidi(self._on_logging, fn_pb2.LogEntry.List))]

    def _handlers_status(self):
        return [self._service(_FN + 'BeamFnWorkerStatus',
                              WorkerStatus=self._bidi(self._on_status, fn_pb2.WorkerStatusResponse))]

    def _handlers_provision(self):
        return [self._service(_FN + 'ProvisionService',
                              GetProvisionInfo=self._unary(self._on_provision, provision_pb2.GetProvisionInfoRequest))]

    def _handlers_artifact(self):
        get = grpc.unary_stream_rpc_method_handler(self._on_get_artifact, artifact_pb2.GetArtifactRequest.FromString,
                                                   _serialize)
        return [self._service(_JOB + 'ArtifactRetrievalService', GetArtifact=get,
                              ResolveArtifacts=self._unary(self._on_resolve, artifact_pb2.ResolveArtifactsRequest))]

    # --- handlers ---

    def _on_control(self, incoming, context):
        self._seen('control', context)
        stream = Stream(context)

        def on_message(response):
            with self.lock:
                if response is None:
                    for future in self.pending.values():
                        future.set_exception(WorkerGone('the control stream ended: ' + self._worker_state()))
                    self.pending.clear()
                else:
                    future = self.pending.pop(response.instruction_id, None)
                    if future:
                        future.set_result(response)
                    else:
                        self.unexpected.append(response)
                self.lock.notify_all()

        stream.reader(incoming, on_message, 'control reader')
        with self.lock:
            self.control = stream
            self.lock.notify_all()
        yield from stream.outgoing()

    def _on_descriptor(self, request, context):
        self._seen('descriptor', context)
        self.descriptor_fetches.append(request.process_bundle_descriptor_id)
        if self.descriptor_hook:
            answer = self.descriptor_hook(request, context)
            if answer is not None:
                return answer
        if request.process_bundle_descriptor_id not in self.descriptors:
            context.abort(grpc.StatusCode.NOT_FOUND, 'no descriptor ' + request.process_bundle_descriptor_id)
        return self.descriptors[request.process_bundle_descriptor_id]

    def _on_data(self, incoming, context):
        self._seen('data', context)
        stream = Stream(context)
        name = dict(stream.metadata).get('data_stream_id', '')

        def on_message(elements):
            with self.lock:
                if elements is not None:
                    self._sort(elements, name)
                self.lock.notify_all()

        stream.reader(incoming, on_message, 'data reader')
        with self.lock:
            self.data_streams[name] = stream
            self.lock.notify_all()
        yield from stream.outgoing()

    def _sort(self, elements, stream_name):
        for kind, part in [('data', d) for d in elements.data] + [('timers', t) for t in elements.timers]:
            inbox = self.inboxes[part.instruction_id]
            inbox.messages += 1
            inbox.stream = stream_name
            key = part.transform_id if kind == 'data' else (part.transform_id, part.timer_family_id)
            payload = part.data if kind == 'data' else part.timers
            if payload:
                if inbox.ended[key]:
                    inbox.after_end.append(key)
                (inbox.data if kind == 'data' else inbox.timers)[key].append(payload)
            if part.is_last:
                inbox.ended[key] += 1

    def _on_state(self, incoming, context):
        self._seen('state', context)
        stream = Stream(context)

        def on_message(request):
            if request is not None:
                answer = self.state.answer(request)
                if answer is not None:
                    stream.send(answer)

        self.state_streams.append(stream)
        stream.reader(incoming, on_message, 'state reader')
        yield from stream.outgoing()

    def _on_logging(self, incoming, context):
        self._seen('logging', context)
        stream = Stream(context)

        def on_message(batch):
            if batch is None:
                stream.end()
            with self.lock:
                self.logs.extend(batch.log_entries if batch is not None else ())
                self.lock.notify_all()

        self.logging_streams.append(stream)
        stream.reader(incoming, on_message, 'logging reader')
        yield from stream.outgoing()

    def _on_status(self, incoming, context):
        self._seen('status', context)
        stream = Stream(context)

        def on_message(answer):
            with self.lock:
                if answer is not None:
                    self._status_answers[answer.id] = answer
                self.lock.notify_all()

        stream.reader(incoming, on_message, 'status reader')
        with self.lock:
            self.status_streams.append(stream)
            self.lock.notify_all()
        yield from stream.outgoing()

    def _on_provision(self, _request, context):
        self._seen('provision', context)
        return provision_pb2.GetProvisionInfoResponse(info=self.provision)

    def _on_resolve(self, request, context):
        self._seen('artifact', context)
        return artifact_pb2.ResolveArtifactsResponse(replacements=request.artifacts)

    def _on_get_artifact(self, request, context):
        self._seen('artifact', context)
        name = artifact_name(request.artifact)
        if name not in self.artifacts:
            context.abort(grpc.StatusCode.NOT_FOUND, 'no artifact ' + name)
        content = self.artifacts[name]
        for at in range(0, len(content), 1 << 20):
            yield artifact_pb2.GetArtifactResponse(data=content[at:at + (1 << 20)])

    def stage(self, name, content, false_hash=None):
        """Offers a file to the worker through the provision info's dependencies; call before start_worker."""
        self.artifacts[name] = content
        self.provision.retrieval_token = 'staged'
        self.provision.dependencies.add(
            type_urn='beam:artifact:type:file:v1', role_urn='beam:artifact:role:staging_to:v1',
            type_payload=pb.ArtifactFilePayload(
                path=name, sha256=false_hash or hashlib.sha256(content).hexdigest()).SerializeToString(),
            role_payload=pb.ArtifactStagingToRolePayload(staged_name=name).SerializeToString())

    # --- the worker ---

    def start_worker(self, template, env=None, flags=True):
        """template: a list or a command line. {id} {control} {data} ... are replaced; without any, the flags of the
        container contract are appended (flags=False: none are)."""
        argv = shlex.split(template) if isinstance(template, str) else list(template)
        values = dict(self.endpoints, id=self.worker_id, tmp=self.tmp)
        if flags and not any('{' in a for a in argv):
            argv += ['--id={id}'] + ['--%s_endpoint={%s}' % (n, n)
                                     for n in ('provision', 'control', 'logging', 'artifact')]
            argv += ['--semi_persist_dir={tmp}']
        return self._spawn([a.format(**values) if '{' in a else a for a in argv], env)

    def start_python_worker(self, options=None):
        """Beam's own Python harness, the stand-in by which this runner was checked."""
        def endpoint(name):
            return 'url: "%s"' % self.endpoints[name]
        env = {'WORKER_ID': self.worker_id, 'CONTROL_API_SERVICE_DESCRIPTOR': endpoint('control'),
               'LOGGING_API_SERVICE_DESCRIPTOR': endpoint('logging'),
               'STATUS_API_SERVICE_DESCRIPTOR': endpoint('status'),
               'RUNNER_CAPABILITIES': ' '.join(self.provision.runner_capabilities),
               'PIPELINE_OPTIONS': json.dumps({'options': options or {}})}
        return self._spawn([sys.executable, '-m', 'apache_beam.runners.worker.sdk_worker_main'], env)

    def start_pool_worker(self, pool_endpoint, params=None):
        """As a runner does for an EXTERNAL environment: asks a worker pool for a worker."""
        with grpc.insecure_channel(pool_endpoint) as channel:
            request = fn_pb2.StartWorkerRequest(worker_id=self.worker_id, params=params or {})
            for name in ('control', 'logging', 'artifact', 'provision'):
                getattr(request, name + '_endpoint').url = self.endpoints[name]
            return fn_grpc.BeamFnExternalWorkerPoolStub(channel).StartWorker(request, timeout=TIMEOUT,
                                                                             wait_for_ready=True)

    def stop_pool_worker(self, pool_endpoint, worker_id=None):
        with grpc.insecure_channel(pool_endpoint) as channel:
            return fn_grpc.BeamFnExternalWorkerPoolStub(channel).StopWorker(
                fn_pb2.StopWorkerRequest(worker_id=worker_id or self.worker_id), timeout=TIMEOUT)

    def _spawn(self, argv, env=None):
        path = os.path.join(self.tmp, 'worker-%d.stderr' % len(self.workers))
        with open(path, 'w') as stderr:
            proc = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=stderr, stderr=stderr,
                                    start_new_session=True, cwd=self.tmp, env=dict(os.environ, **(env or {})))
        proc.stderr_path = path
        self.workers.append(proc)
        return proc

    def worker_stderr(self, index=-1):
        with open(self.workers[index].stderr_path, errors='replace') as file:
            return file.read()

    def worker_exit(self, timeout=None):
        """Waits for the last worker to end; its exit code (negative: a signal)."""
        try:
            return self.workers[-1].wait(TIMEOUT if timeout is None else timeout)
        except subprocess.TimeoutExpired:
            raise TimeoutError('the worker did not end') from None

    def _worker_state(self):
        return ', '.join('worker %d %s' % (i, 'runs' if w.poll() is None else 'ended with %s' % w.returncode)
                         for i, w in enumerate(self.workers)) or 'no worker of ours'

    def wait_connected(self, timeout=None):
        deadline = time.monotonic() + (timeout or TIMEOUT)
        with self.lock:
            while not self.control:
                if self.workers and self.workers[-1].poll() is not None:
                    raise WorkerGone('no control stream: %s: %s' % (self._worker_state(), self.worker_stderr()[-800:]))
                if time.monotonic() > deadline:
                    raise TimeoutError('no control stream')
                self.lock.wait(0.1)

    # --- instructions ---

    def next_id(self, prefix='inst'):
        return '%s-%d' % (prefix, next(self._ids))

    def request(self, arm=None, message=None, instruction_id=None, raw=None, **fields):
        """Sends an instruction; a Future of the response. request('finalize_bundle', instruction_id=..) has its
        fields as keywords under fields; raw: bytes that are sent as they are (then instruction_id must be given)."""
        instruction_id = instruction_id or self.next_id()
        if raw is None:
            instruction = fn_pb2.InstructionRequest(instruction_id=instruction_id)
            if arm:
                target = getattr(instruction, arm)
                target.SetInParent()
                target.MergeFrom(message if message is not None else type(target)(**fields))
            raw = instruction
        future = futures.Future()
        self.wait_connected()
        with self.lock:
            if self.control.half_closed.is_set() or self.control.closed.is_set():
                raise WorkerGone('the control stream has ended: ' + self._worker_state())
            self.pending[instruction_id] = future
        self.control.send(raw)
        return future

    def ask(self, arm, timeout=None, **kwargs):
        """request, and waits for the response, which must not be an error."""
        response = self.request(arm, **kwargs).result(TIMEOUT if timeout is None else timeout)
        if response.error:
            raise BundleFailed(response.error)
        return getattr(response, arm)

    def register(self, *descriptors):
        for descriptor in descriptors:
            self.descriptors[descriptor.id] = descriptor

    def bundle(self, descriptor, **kwargs):
        """Starts a bundle of a descriptor (a proto, or anything with .descriptor); registers it if need be."""
        descriptor = getattr(descriptor, 'descriptor', descriptor)
        self.register(descriptor)
        return Bundle(self, descriptor, **kwargs)

    # --- data plane ---

    def data_stream(self, name='', timeout=None):
        with self.lock:
            wait(self.lock, lambda: name in self.data_streams, 'data stream %r from the worker' % name, timeout)
            return self.data_streams[name]

    def send_elements(self, elements, stream=''):
        """Elements, or bytes as they are."""
        self.data_stream(stream).send(elements)

    def worker_status(self, timeout=None):
        with self.lock:
            wait(self.lock, lambda: self.status_streams, 'status stream', timeout)
            request = self.next_id('status')
            self.status_streams[-1].send(fn_pb2.WorkerStatusRequest(id=request))
            wait(self.lock, lambda: request in self._status_answers, 'status answer', timeout)
            return self._status_answers[request]

    def wait_log(self, predicate, timeout=None):
        with self.lock:
            wait(self.lock, lambda: any(predicate(e) for e in self.logs), 'such log entry', timeout)
            return next(e for e in self.logs if predicate(e))

    # --- ends ---

    def end_control(self):
        """The polite end of a job: control ends with OK."""
        self.wait_connected()
        self.control.end()

    def break_control(self, code=grpc.StatusCode.UNAVAILABLE):
        self.wait_connected()
        self.control.abort(code)

    def kill_server(self, name):
        """The server goes away at once, its streams are cut."""
        self.servers[name].stop(0).wait(TIMEOUT)

    def finish(self, timeout=None):
        """Ends the job politely and expects what a good worker does: no stray answers, exit code 0."""
        self.end_control()
        code = self.worker_exit(timeout)
        assert code == 0, 'the worker ended with %s at the end of the control stream: %s' % (
            code, self.worker_stderr()[-800:])
        assert not self.unexpected, 'responses that nobody asked for: %s' % self.unexpected

    def close(self):
        for worker in self.workers:
            stop_group(worker, 0.5)
        for server in set(self.servers.values()):
            server.stop(0)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


def artifact_name(artifact):
    return pb.ArtifactStagingToRolePayload.FromString(artifact.role_payload).staged_name
