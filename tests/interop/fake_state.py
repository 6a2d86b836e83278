"""The fake runner's state service: a dict of bytes, paged, and what a test wants to be wrong with it."""
import threading

from apache_beam.portability.api import beam_fn_api_pb2 as fn_pb2

import lib

TIMEOUT = 20.0 * lib.TIMEOUT_SCALE


def wait(condition, predicate, what, timeout=None):
    """With the condition held: until predicate() is true."""
    if not condition.wait_for(predicate, TIMEOUT if timeout is None else timeout):
        raise TimeoutError('no %s after %g s' % (what, TIMEOUT if timeout is None else timeout))


class State:
    """The state service's store: a dict from serialized StateKey to bytes, and what is wrong with it on request."""

    def __init__(self):
        self.values = {}
        self.requests = []
        self.page_bytes = None  # Get answers in pages of so many bytes; they may cut an element in two
        self.hook = None  # hook(request) -> StateResponse, or None for the normal answer, or HOLD for no answer
        self.lock = threading.Condition()

    HOLD = object()

    @staticmethod
    def key(kind, **fields):
        """State.key('bag_user_state', transform_id=..., user_state_id=..., window=b'', key=b'k')"""
        return fn_pb2.StateKey(**{kind: getattr(fn_pb2.StateKey, _STATE_TYPES[kind])(**fields)})

    def put(self, key, data):
        self.values[key.SerializeToString(deterministic=True)] = data

    def get(self, key):
        return self.values.get(key.SerializeToString(deterministic=True), b'')

    def answer(self, request):
        with self.lock:
            self.requests.append(request)
            self.lock.notify_all()
        answer = self.hook(request) if self.hook else None
        if answer is not None:
            return None if answer is self.HOLD else answer
        key = request.state_key.SerializeToString(deterministic=True)
        response = fn_pb2.StateResponse(id=request.id)
        kind = request.WhichOneof('request')
        if kind == 'get':
            stored = self.values.get(key, b'')
            token = request.get.continuation_token
            at = int(token) if token else 0
            end = len(stored) if not self.page_bytes else min(len(stored), at + self.page_bytes)
            response.get.data = stored[at:end]
            if end < len(stored):
                response.get.continuation_token = str(end).encode()
        elif kind == 'append':
            self.values[key] = self.values.get(key, b'') + request.append.data
            response.append.SetInParent()
        elif kind == 'clear':
            self.values.pop(key, None)
            response.clear.SetInParent()
        else:
            response.error = 'a state request of no kind'
        return response

    def count(self, kind=None):
        with self.lock:
            return sum(1 for r in self.requests if kind in (None, r.WhichOneof('request')))


_STATE_TYPES = {f.name: f.message_type.name for f in fn_pb2.StateKey.DESCRIPTOR.fields}
