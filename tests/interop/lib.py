"""What every interop test needs: TAP, temporary folders, peers, running programs, comparing output folders.

Standard library only. A test program is a file with functions test_*(t) and ends with lib.main(globals()).
Each gets a Case: a temporary folder, clean-up at the end whatever happens, logs that are printed if it fails.
"""
import collections
import glob
import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
import traceback

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
BUILD = os.path.abspath(os.environ.get('BEAMC_BUILD') or os.path.join(ROOT, 'build', os.environ.get('VARIANT', 'release')))
FULL = os.environ.get('BEAMC_TEST_FULL') == '1'
SANITIZER = os.environ.get('BEAMC_SANITIZER', '')
TIMEOUT_SCALE = float(os.environ.get('TEST_TIMEOUT_SCALE') or (4 if SANITIZER else 1))
MISSING_TOOL = 3  # exit code of the peer scripts when a tool is not installed


class Skip(Exception):
    """The test cannot run here, and says why. Where CI=true that is a failure."""


class TestTimeout(Exception):
    pass


def use_beam_python():
    """Runs this very program again under the Python that has apache-beam, unless it is that one already."""
    import importlib.util
    if importlib.util.find_spec('apache_beam'):
        return
    if os.environ.get('BEAMC_BEAM_PYTHON_TRIED'):
        sys.exit('scripts/beam-venv gave a Python without apache_beam')
    found = subprocess.run([os.path.join(ROOT, 'scripts', 'beam-venv')], stdout=subprocess.PIPE, text=True)
    if found.returncode:
        print('1..0 # SKIP scripts/beam-venv failed: no Python with apache-beam')
        sys.exit(1 if os.environ.get('CI') == 'true' else 0)
    os.environ['BEAMC_BEAM_PYTHON_TRIED'] = '1'
    python = found.stdout.strip()
    os.execv(python, [python] + sys.argv)


# --- processes ------------------------------------------------------------------------------------------------


def stop_group(proc, grace=5.0):
    """Ends a process that was started with start_new_session, and all its children."""
    for sig, wait in ((signal.SIGTERM, grace), (signal.SIGKILL, 10)):
        try:
            os.killpg(proc.pid, sig)
        except ProcessLookupError:
            break
        try:
            proc.wait(wait)
        except subprocess.TimeoutExpired:
            continue
        # The leader is gone; a child that lingers gets the KILL of the next round, or ProcessLookupError.
        time.sleep(0.05)
    proc.wait(10)
    return proc.returncode


Result = collections.namedtuple('Result', 'code stdout stderr seconds timed_out')


class Peer:
    """One private runner, started by scripts/peers/NAME. It dies with us: its stdin is a pipe that we hold."""

    def __init__(self, name, env=None):
        script = os.path.join(ROOT, 'scripts', 'peers', name)
        self.name = name
        self.values = {}
        self.stderr = tempfile.TemporaryFile('w+')
        self.proc = subprocess.Popen([script, 'run', '--until-eof'], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                     stderr=self.stderr, text=True, start_new_session=True,
                                     env=dict(os.environ, PEER_KEEP_LOG='1', **(env or {})))
        for line in self.proc.stdout:
            key, _, value = line.strip().partition('=')
            self.values[key] = value
            if key == 'PEER_READY':
                break
        else:
            code = self.proc.wait()
            self.stderr.seek(0)
            why = self.stderr.read().strip()
            if code == MISSING_TOOL:
                raise Skip(why.splitlines()[-1])
            raise RuntimeError('%s did not start (exit code %d): %s' % (name, code, why))
        self.endpoint = self.values['PEER_ENDPOINT']
        self.log = self.values['PEER_LOG']

    def alive(self):
        return self.proc.poll() is None

    def stop(self):
        try:
            self.proc.stdin.close()
            self.proc.wait(15)
        except (OSError, subprocess.TimeoutExpired):
            stop_group(self.proc)
        shutil.rmtree(self.values['PEER_DIR'], ignore_errors=True)


_shared_peers = {}


def shared_peer(name, **kwargs):
    """A peer that all tests of this program use; a new one if it died. stop_shared_peer starts afresh."""
    peer = _shared_peers.get(name)
    if peer is None or not peer.alive():
        peer = _shared_peers[name] = Peer(name, **kwargs)
    return peer


def stop_shared_peer(name):
    peer = _shared_peers.pop(name, None)
    if peer:
        peer.stop()


def program(name):
    """The path of a program of this project, built by make; its absence is a reason to skip."""
    for folder in ('bin', 'examples', 'interop'):
        path = os.path.join(BUILD, folder, name)
        if os.access(path, os.X_OK) and os.path.isfile(path):
            return path
    raise Skip('%s is not built in %s' % (name, os.path.relpath(BUILD, ROOT)))


# --- output folders as multisets of rows ----------------------------------------------------------------------

_SHARD = re.compile(r'(-\d+-of-\d+)?(\.jsonl?)?$')


def _plain(value):
    """One spelling for one value: 2 and 2.0 are the same number, true is not 1, key order does not count."""
    if isinstance(value, dict):
        return {k: _plain(v) for k, v in value.items()}
    if isinstance(value, list):
        return [_plain(v) for v in value]
    if isinstance(value, float) and value.is_integer() and abs(value) < 2**53:
        return int(value)
    return value


def read_rows(folder, without=()):
    """{table: Counter of rows}; TABLE.jsonl and all TABLE-00000-of-00004.jsonl are one table.

    without: columns to leave out, as 'column' or 'table.column'.
    """
    tables = {}
    for path in sorted(glob.glob(os.path.join(folder, '*'))):
        if not os.path.isfile(path) or os.path.basename(path).startswith('.'):
            continue
        table = _SHARD.sub('', os.path.basename(path))
        rows = tables.setdefault(table, collections.Counter())
        with open(path, encoding='utf-8') as lines:
            for number, line in enumerate(lines, 1):
                if not line.endswith('\n'):
                    raise AssertionError('%s: line %d has no newline: a half-written row' % (path, number))
                row = json.loads(line)
                for column in without:
                    where, _, name = column.rpartition('.')
                    if where in ('', table) and isinstance(row, dict):
                        row.pop(name, None)
                rows[json.dumps(_plain(row), sort_keys=True, ensure_ascii=False)] += 1
    return tables


def folder_difference(expected, got, without=()):
    """None if both folders hold the same rows, else a text with the first differing rows of each table."""
    want, have = read_rows(expected, without), read_rows(got, without)
    report = []
    for table in sorted(set(want) | set(have)):
        if table not in want or table not in have:
            report.append('table %s exists only in %s' % (table, expected if table in want else got))
            continue
        missing, extra = want[table] - have[table], have[table] - want[table]
        if missing or extra:
            report.append('table %s: %d rows expected, %d found; %d missing, %d unexpected' % (
                table, sum(want[table].values()), sum(have[table].values()), sum(missing.values()),
                sum(extra.values())))
            report += ['  missing    %dx %s' % (n, r) for r, n in missing.most_common(3)]
            report += ['  unexpected %dx %s' % (n, r) for r, n in extra.most_common(3)]
    if not any(sum(c.values()) for c in want.values()):
        report.append('%s holds no rows at all: nothing was compared' % expected)
    return '\n'.join(report) or None


def equal(got, expected, what='result'):
    if got != expected:
        raise AssertionError('%s: expected %.2000r, got %.2000r' % (what, expected, got))


# --- cases and TAP ---------------------------------------------------------------------------------------------


class Case:
    """The context of one test."""

    def __init__(self, name):
        self.name = name
        self.tmp = tempfile.mkdtemp(prefix='beamc-%s-' % re.sub(r'\W+', '-', name)[:40])
        self._cleanup = []
        self._logs = []
        self._notes = []

    def path(self, *parts):
        return os.path.join(self.tmp, *parts)

    def cleanup(self, action):
        self._cleanup.append(action)
        return action

    def log(self, title, path_or_function):
        """Printed (its last lines) if the test fails."""
        self._logs.append((title, path_or_function))

    def note(self, text):
        self._notes.append(text)

    def peer(self, name, **kwargs):
        peer = Peer(name, **kwargs)
        self.cleanup(peer.stop)
        self.log('log of ' + name, peer.log)
        return peer

    def shared_peer(self, name, **kwargs):
        peer = shared_peer(name, **kwargs)
        self.log('log of ' + name, peer.log)
        return peer

    def run(self, argv, timeout=60, env=None, check=True, stdin=None):
        """Runs a program in its own process group; kills all of it at the timeout."""
        argv = [str(a) for a in argv]
        began = time.monotonic()
        index = len(self._logs)
        out, err = self.path('run%d.out' % index), self.path('run%d.err' % index)
        with open(out, 'w') as stdout, open(err, 'w') as stderr:
            proc = subprocess.Popen(argv, stdin=stdin or subprocess.DEVNULL, stdout=stdout, stderr=stderr,
                                    start_new_session=True, env=dict(os.environ, **(env or {})))
            self.log('stdout of %s' % shlex.join(argv), out)
            self.log('stderr of the same', err)
            timed_out = False
            try:
                proc.wait(timeout)
            except subprocess.TimeoutExpired:
                timed_out = True
            finally:
                stop_group(proc, 1.0)
        with open(out, errors='replace') as o, open(err, errors='replace') as e:
            result = Result(proc.returncode, o.read(), e.read(), time.monotonic() - began, timed_out)
        if check and (result.timed_out or result.code):
            raise AssertionError('%s %s' % (os.path.basename(argv[0]), 'was still running after %d s' % timeout
                                            if timed_out else 'ended with exit code %d' % result.code))
        return result

    def same_rows(self, expected, got, without=()):
        difference = folder_difference(expected, got, without)
        if difference:
            raise AssertionError('output rows differ\n' + difference)

    def close(self, failed):
        problems = []
        for action in reversed(self._cleanup):
            try:
                action()
            except Exception:  # a clean-up that fails must not hide the others
                problems.append(traceback.format_exc())
        text = []
        if failed:
            for title, source in self._logs:
                text.append('--- ' + title)
                try:
                    content = source() if callable(source) else open(source, errors='replace').read()
                except OSError as error:
                    content = str(error)
                text += str(content).splitlines()[-40:]
        if failed and os.environ.get('BEAMC_TEST_KEEP'):
            text.append('kept: ' + self.tmp)
        else:
            shutil.rmtree(self.tmp, ignore_errors=True)
        return text + problems, bool(problems)


def _comment(lines):
    for block in lines:
        for line in str(block).splitlines():
            print('# ' + line)


def _on_alarm(_signal, _frame):
    raise TestTimeout()


def run_case(name, function, timeout):
    case = Case(name)
    outcome, text = 'ok', []
    previous = signal.signal(signal.SIGALRM, _on_alarm)
    signal.alarm(int(timeout))
    began = time.monotonic()
    try:
        function(case)
    except Skip as skip:
        outcome, text = 'skip', [str(skip)]
    except TestTimeout:
        outcome, text = 'fail', ['still running after %d s' % timeout] + traceback.format_exc().splitlines()[-12:]
        text += _thread_dump()
    except Exception as error:
        outcome, text = 'fail', [str(error)] + traceback.format_exc().splitlines()[1:]
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, previous)
    more, broken = case.close(outcome == 'fail')
    if broken and outcome == 'ok':
        outcome = 'fail'
    return outcome, text + case._notes + more, time.monotonic() - began


def _thread_dump():
    lines = []
    names = {thread.ident: thread.name for thread in threading.enumerate()}
    for ident, frame in sys._current_frames().items():
        if ident != threading.get_ident() and not str(names.get(ident)).startswith('ThreadPool'):
            lines.append('thread %s: %s' % (names.get(ident), ''.join(traceback.format_stack(frame)[-2:]).strip()))
    return lines


def main(names, timeout=60, setup=None):
    """Runs every test_* of names (a module's globals) in order; arguments choose tests by part of their name.

    A function's attribute `timeout` (seconds) overrides the default; TEST_TIMEOUT_SCALE stretches all (sanitizers).
    """
    wanted = sys.argv[1:]
    tests = [(n[5:].replace('_', ' '), f) for n, f in names.items() if n.startswith('test_') and callable(f)]
    tests = [(n, f) for n, f in tests if not wanted or any(w.replace('_', ' ') in n for w in wanted)]
    print('1..%d' % len(tests))
    failed = 0
    for number, (name, function) in enumerate(tests, 1):
        outcome, text, seconds = run_case(name, function, getattr(function, 'timeout', timeout) * TIMEOUT_SCALE)
        if outcome == 'skip' and os.environ.get('CI') == 'true':
            outcome, text = 'fail', ['skipped, which CI=true forbids: ' + ' '.join(text)]
        if outcome == 'skip':
            print('ok %d - %s # SKIP %s' % (number, name, ' '.join(text).replace('\n', ' ')))
        else:
            print('%s %d - %s (%.1f s)' % ('ok' if outcome == 'ok' else 'not ok', number, name, seconds))
            _comment(text)
        failed += outcome == 'fail'
        sys.stdout.flush()
    for name in list(_shared_peers):
        stop_shared_peer(name)
    sys.stdout.flush()
    sys.stderr.flush()
    # gRPC's own threads may still hold the interpreter: leave without waiting for them.
    os._exit(1 if failed else 0)
