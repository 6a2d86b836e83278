#!/usr/bin/env python3
# tests/run: timeout=120 sanitizers
"""What beamc_main does with a command line: exit codes, messages, help, .env, Ctrl-C. Prints TAP."""
import os
import signal
import subprocess
import sys
import tempfile
import time

ROOT = os.environ.get("BEAMC_ROOT") or os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BUILD = os.environ.get("BEAMC_BUILD") or os.path.join(ROOT, "build", "release")
TINY = os.path.join(BUILD, "tests", "program", "programs", "tiny")
ENV = {k: v for k, v in os.environ.items() if k not in ("RUNNER", "LOG_LEVEL", "TINY_GREETING", "PARALLELISM")}
count = failed = 0


def check(name, test):
    global count, failed
    count += 1
    try:
        test()
        print(f"ok {count} - {name}")
    except AssertionError as e:
        failed += 1
        print(f"not ok {count} - {name}")
        for line in str(e).splitlines()[:20]:
            print(f"# {line}")


def run(*args, folder=None, **env):
    with tempfile.TemporaryDirectory() as empty:
        r = subprocess.run([TINY, *args], cwd=folder or empty, env={**ENV, **env}, stdout=subprocess.PIPE,
                           stderr=subprocess.PIPE, timeout=60, check=False)
    r.stdout, r.stderr = r.stdout.decode(errors="replace"), r.stderr.decode(errors="replace")
    return r


def expect(r, code, out=None, err=None):
    assert r.returncode == code, f"exit {r.returncode}, not {code}\n{r.stdout}{r.stderr}"
    for text, got in ((out, r.stdout), (err, r.stderr)):
        assert text is None or text in got, f"no {text!r} in\n{got}"


def one_line(r, code, text):
    expect(r, code, err=text)
    lines = r.stderr.strip().splitlines()
    assert len(lines) == 1, f"{len(lines)} lines:\n{r.stderr}"
    assert r.stdout == "", r.stdout


check("runs locally and reports", lambda: expect(run(), 0, out="done: hello"))
check("--local, --runner in any case", lambda: (expect(run("--local"), 0), expect(run("--runner=LOCAL"), 0),
                                                expect(run("--runner=directrunner"), 0)))
check("--help", lambda: [expect(run("--help"), 0, out=t) for t in
                         ("usage: tiny", "Counts.", "Tiny:\n  --count=N", "--job_endpoint=HOST:PORT", "Exit codes:")])
check("--help, whatever stands beside it", lambda: expect(run("--help", "--nonsense"), 0, out="usage: tiny"))
check("-h", lambda: expect(run("-h"), 0, out="usage: tiny"))
check("--version", lambda: expect(run("--version"), 0, out="tiny (beamc "))
check("--env_sample", lambda: expect(run("--env_sample"), 0, out="#TINY_GREETING=hello"))
check("an unknown option", lambda: one_line(run("--cuont=5"), 2, "tiny: --cuont: no such option; did you mean --count?"))
check("a bad value", lambda: one_line(run("--count=5000"), 2, "--count=5000: must be from 0 to 1000"))
check("an unknown runner", lambda: one_line(run("--runner=FlinkRuner"), 2, "did you mean FlinkRunner?"))
check("a DoFn that is not listed", lambda: one_line(
    run("--unlisted"), 2, "Unlisted: DoFn test:tiny:unlisted:v1 is not listed in program.fns"))
check("a missing input", lambda: one_line(run("--missing=x"), 3, "tiny: --missing=x: there is no such file"))
check("an output that exists", lambda: one_line(run("--exists"), 4, "it exists"))
check("a DoFn that fails names its step", lambda: [
    expect(run("--fail_at=2"), 1, err=t) for t in ("Work", "number 2 was meant to fail")])
check("a failed job does not report", lambda: expect(run("--fail_at=2"), 1) or None)
check("no input at all", lambda: expect(run("--count=0"), 0, out="done"))
check("a missing plugin", lambda: one_line(run("--program=none.so"), 3, "--program=none.so: there is no such file"))


def dump():
    r = subprocess.run([TINY, "--dump_pipeline=-"], stdout=subprocess.PIPE, env=ENV, timeout=60, check=False)
    assert r.returncode == 0 and b"beam:transform:pardo:v1" in r.stdout, r
    assert b"done" not in r.stdout, "it was run"
    one_line(run("--dump_pipeline=/no/such/folder/x"), 4, "--dump_pipeline=/no/such/folder/x: No such file")


check("--dump_pipeline", dump)


def dotenv():
    with tempfile.TemporaryDirectory() as folder:
        with open(os.path.join(folder, ".env"), "w", encoding="utf-8") as f:
            f.write("# greetings\nTINY_GREETING='from file'\n")
        expect(run(folder=folder), 0, out="done: from file")
        expect(run(folder=folder, TINY_GREETING="from env"), 0, out="done: from env")
        expect(run("--greeting=mine", folder=folder, TINY_GREETING="from env"), 0, out="done: mine")
        os.rename(os.path.join(folder, ".env"), os.path.join(folder, "other"))
        expect(run("--env_file=other", folder=folder), 0, out="done: from file")
        with open(os.path.join(folder, ".env"), "w", encoding="utf-8") as f:
            f.write("nonsense\n")
        one_line(run(folder=folder), 2, ".env:1: expected KEY=VALUE")


check("command line before environment before .env before default", dotenv)


def interrupt(signal_number, times):
    p = subprocess.Popen([TINY, "--count=1000", "--sleep_ms=5", "--parallelism=1"], env=ENV,
                         stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    time.sleep(1)
    for _ in range(times):
        p.send_signal(signal_number)
        time.sleep(0.3)
    start = time.monotonic()
    try:
        _, err = p.communicate(timeout=30)
    except subprocess.TimeoutExpired:
        p.kill()
        p.communicate()
        raise AssertionError("it goes on")  # pylint: disable=raise-missing-from
    assert p.returncode == 130, (p.returncode, err)
    return time.monotonic() - start, err.decode()


def cancelled():
    for number in (signal.SIGINT, signal.SIGTERM):
        _, err = interrupt(number, 1)
        assert "cancelled" in err, err


def twice():
    seconds, _ = interrupt(signal.SIGINT, 2)
    assert seconds < 5, seconds


check("Ctrl-C and SIGTERM cancel", cancelled)
check("a second Ctrl-C ends it at once", twice)
print(f"1..{count}")
sys.exit(1 if failed else 0)
