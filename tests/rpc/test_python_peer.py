#!/usr/bin/env python3
# tests/run: timeout=300 sanitizers
"""worker/rpc against another implementation of gRPC: Python's client and our server, our client and Python's server."""
import concurrent.futures
import os
import shutil
import subprocess
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), 'interop'))
import lib

lib.use_beam_python()

import grpc

PEER = os.path.join(lib.BUILD, 'tests', 'rpc', 'programs', 'rpc_peer')
UNLIMITED = [('grpc.max_receive_message_length', -1), ('grpc.max_send_message_length', -1)]
# A Python harness with its pings turned up: each second, however idle the channel is.
EAGER = UNLIMITED + [('grpc.keepalive_time_ms', 1000), ('grpc.http2.max_pings_without_data', 0),
                     ('grpc.keepalive_permit_without_calls', 1)]
TOLERANT = UNLIMITED + [('grpc.http2.min_ping_interval_without_data_ms', 10), ('grpc.http2.max_ping_strikes', 0),
                        ('grpc.keepalive_permit_without_calls', 1), ('grpc.so_reuseport', 0)]


def peer_program():
    if not os.access(PEER, os.X_OK):
        raise lib.Skip('%s is not built' % PEER)
    return PEER


def make_certificate(t):
    if not shutil.which('openssl'):
        raise lib.Skip('openssl is not installed')
    key, cert = t.path('key.pem'), t.path('cert.pem')
    t.run(['openssl', 'req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-keyout', key, '-out', cert, '-days', '2',
           '-subj', '/CN=peer.test', '-addext', 'subjectAltName=DNS:peer.test'])
    return key, cert


# --- our server ---------------------------------------------------------------------------------------------------


def our_server(t, *args):
    log = t.path('server.err')
    proc = subprocess.Popen([peer_program(), 'server'] + list(args), stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                            stderr=open(log, 'w'), start_new_session=True)

    def stop():
        proc.stdin.close()
        code = proc.wait(30)
        if code:
            raise AssertionError('our server ended with exit code %d\n%s' % (code, open(log).read()))

    t.cleanup(stop)
    t.log('our server', log)
    return int(proc.stdout.readline()), log


def connect(t, port, options=UNLIMITED):
    channel = grpc.insecure_channel('127.0.0.1:%d' % port, options=options)
    t.cleanup(channel.close)
    return channel


def expect_code(call, code, text):
    try:
        call()
    except grpc.RpcError as error:
        lib.equal(error.code(), code, 'status')
        assert text in error.details(), error.details()
        return
    raise AssertionError('no error')


class Feeder:
    """The request side of a stream: yields what is put, until done()."""

    def __init__(self):
        self.cond = threading.Condition()
        self.items = []
        self.finished = False

    def put(self, item):
        with self.cond:
            self.items.append(item)
            self.cond.notify()

    def done(self):
        with self.cond:
            self.finished = True
            self.cond.notify()

    def __iter__(self):
        while True:
            with self.cond:
                self.cond.wait_for(lambda: self.items or self.finished)
                if not self.items:
                    return
                item = self.items.pop(0)
            yield item


def test_our_server_unary(t):
    channel = connect(t, our_server(t)[0])
    echo = channel.unary_unary('/test.Peer/Echo')
    lib.equal(echo(b'a\0b', timeout=20), b'a\0b')
    lib.equal(echo(b'', timeout=20), b'')
    large = b'L' * (20 << 20)
    assert echo(large, timeout=60) == large
    expect_code(lambda: echo(b'fail', timeout=20), grpc.StatusCode.FAILED_PRECONDITION, 'no: \u00e9 100%')
    expect_code(lambda: channel.unary_unary('/test.Peer/Nothing')(b'', timeout=20), grpc.StatusCode.UNIMPLEMENTED,
                '/test.Peer/Nothing')


def test_our_server_sees_metadata(t):
    call = connect(t, our_server(t)[0]).unary_unary('/test.Peer/Metadata')
    lib.equal(call(b'', timeout=20, metadata=[('worker_id', '1-1')]), b'1-1;')
    lib.equal(call(b'', timeout=20, metadata=[('worker_id', 'a'), ('worker_id', 'b')]), b'a;b;')


def test_our_server_bidi_stream(t):
    call = connect(t, our_server(t)[0]).stream_stream('/test.Peer/Stream')
    sent = [b'%d' % i * (i % 50) for i in range(2000)]
    lib.equal(list(call(iter(sent), timeout=50)), sent)


def test_our_server_server_stream(t):
    call = connect(t, our_server(t)[0]).unary_stream('/test.Peer/Count')(b'500', timeout=50)
    seen = []
    expect_code(lambda: seen.extend(call), grpc.StatusCode.DATA_LOSS, 'counted to 500')
    lib.equal(seen, [i.to_bytes(4, 'little') for i in range(500)])


def test_our_server_sees_a_cancel(t):
    port, log = our_server(t)
    feeder = Feeder()
    call = connect(t, port).stream_stream('/test.Peer/Stream')(iter(feeder))
    feeder.put(b'x')
    lib.equal(next(call), b'x')
    call.cancel()
    feeder.done()
    end = time.monotonic() + 20
    while 'stream ended' not in open(log).read() and time.monotonic() < end:
        time.sleep(0.05)
    assert 'stream ended: CANCELLED' in open(log).read(), open(log).read()


def test_our_server_stands_a_ping_each_second_without_data(t):
    channel = connect(t, our_server(t)[0], EAGER)
    feeder = Feeder()
    call = channel.stream_stream('/test.Peer/Stream')(iter(feeder))
    feeder.put(b'before')
    lib.equal(next(call), b'before')
    time.sleep(7)
    feeder.put(b'after')
    lib.equal(next(call), b'after')
    feeder.done()
    lib.equal(list(call), [])


def test_our_server_shutdown_with_an_open_stream(t):
    port, _ = our_server(t)
    feeder = Feeder()
    call = connect(t, port).stream_stream('/test.Peer/Stream')(iter(feeder))
    feeder.put(b'x')
    lib.equal(next(call), b'x')
    t._cleanup.pop(0)()  # ends the server while the stream is open; its exit code is checked there
    expect_code(lambda: next(call), grpc.StatusCode.UNAVAILABLE, '')
    feeder.done()


def test_our_server_tls(t):
    key, cert = make_certificate(t)
    port, _ = our_server(t, cert, key)
    with open(cert, 'rb') as f:
        credentials = grpc.ssl_channel_credentials(f.read())
    channel = grpc.secure_channel('127.0.0.1:%d' % port, credentials,
                                  [('grpc.ssl_target_name_override', 'peer.test')])
    t.cleanup(channel.close)
    lib.equal(channel.unary_unary('/test.Peer/Echo')(b'safe', timeout=20), b'safe')


# --- our client ---------------------------------------------------------------------------------------------------


class PythonServer(grpc.GenericRpcHandler):

    def __init__(self, t, credentials=None):
        self.stream_over = threading.Event()
        self.authorization = []
        # Python's own threads: one for each open call.
        self.server = grpc.server(concurrent.futures.ThreadPoolExecutor(8), handlers=[self], options=TOLERANT)
        if credentials:
            self.port = self.server.add_secure_port('127.0.0.1:0', credentials)
        else:
            self.port = self.server.add_insecure_port('127.0.0.1:0')
        self.server.start()
        t.cleanup(lambda: self.server.stop(0).wait(20))

    def service(self, details):
        self.authorization = [m.value for m in details.invocation_metadata if m.key == 'authorization']
        method = details.method.rpartition('/')[2]
        if method == 'Stream':
            return grpc.stream_stream_rpc_method_handler(self.stream)
        if method == 'Count':
            return grpc.unary_stream_rpc_method_handler(self.count)
        if method in ('Echo', 'Metadata', 'Cancelled'):
            return grpc.unary_unary_rpc_method_handler(getattr(self, method.lower()))
        return None

    def echo(self, request, context):
        if request == b'fail':
            context.abort(grpc.StatusCode.FAILED_PRECONDITION, 'no: \u00e9 100%')
        return request

    def metadata(self, request, context):
        return ''.join(m.value + ';' for m in context.invocation_metadata() if m.key == 'worker_id').encode()

    def cancelled(self, request, context):
        return b'1' if self.stream_over.wait(10) else b'0'

    def stream(self, requests, context):
        # Python may see a cancellation as the plain end of the requests. A client that asks for it has not ended them.
        context.add_callback(self.stream_over.set)
        yield from requests

    def count(self, request, context):
        for i in range(int(request)):
            yield i.to_bytes(4, 'little')
        context.abort(grpc.StatusCode.DATA_LOSS, 'counted to %d' % int(request))


def our_client(t, check):
    server = PythonServer(t)
    t.run([peer_program(), 'client', '127.0.0.1:%d' % server.port, check])


def test_our_client_unary(t):
    our_client(t, 'unary')


def test_our_client_large(t):
    our_client(t, 'large')


def test_our_client_metadata(t):
    our_client(t, 'metadata')


def test_our_client_error(t):
    our_client(t, 'error')


def test_our_client_bidi_stream(t):
    our_client(t, 'stream')


def test_our_client_server_stream(t):
    our_client(t, 'server-stream')


def test_our_client_cancel(t):
    our_client(t, 'cancel')


def test_our_client_pings_each_second_without_data(t):
    our_client(t, 'idle')


def test_our_client_tls_and_token(t):
    key, cert = make_certificate(t)
    with open(key, 'rb') as k, open(cert, 'rb') as c:
        credentials = grpc.ssl_server_credentials([(k.read(), c.read())])
    server = PythonServer(t, credentials)
    endpoint = '127.0.0.1:%d' % server.port
    t.run([peer_program(), 'client', endpoint, 'unary', cert, 'peer.test'])
    lib.equal(server.authorization, ['Bearer s3cret'])
    wrong = t.run([peer_program(), 'client', endpoint, 'unary', cert, 'other.test'], check=False)
    assert wrong.code == 1 and 'no connection to' in wrong.stderr, wrong.stderr
    plain = t.run([peer_program(), 'client', endpoint, 'unary'], check=False)
    assert plain.code == 1, 'a client without TLS got an answer'


lib.main(globals())
