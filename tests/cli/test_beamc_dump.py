#!/usr/bin/env python3
"""beamc-dump: pipelines and recordings as text, and what it says of files that are neither. TAP."""
import os
import subprocess
import sys
import tempfile

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BIN = os.path.join(ROOT, os.environ.get('BEAMC_BUILD', 'build/release'), 'bin')
TESTS = []


def test(fn):
    TESTS.append(fn)
    return fn


def dump(*args, data=b''):
    return subprocess.run([os.path.join(BIN, 'beamc-dump')] + list(args), input=data, capture_output=True, timeout=60)


def prefixed(data):
    out, n = b'', len(data)
    while n >= 0x80:
        out += bytes([n & 0x7f | 0x80])
        n >>= 7
    return out + bytes([n]) + data


@test
def a_pipeline_with_the_payloads_of_its_transforms(tmp):
    path = os.path.join(tmp, 'p.pb')
    subprocess.run([os.path.join(BIN, 'beamc-run'), '--local', '--dump_pipeline=' + path], cwd=tmp, check=True)
    done = dump(path)
    assert done.returncode == 0, done.stderr
    text = done.stdout.decode()
    for word in ('unique_name: "Clicks/ParseAndValidate"', 'payload: ParDoPayload {', 'payload: StepPayload {',
                 'payload: FixedWindowsPayload {', 'urn: "beamc:dofn:parse_and_validate:v1"', 'accumulation_mode: DISCARDING'):
        assert word in text, word
    assert dump('-', data=open(path, 'rb').read()).stdout.decode() == text


@test
def a_recording_frame_by_frame(tmp):
    frames = b'beamc recording 1\n'
    frames += b'<' + prefixed(b'/x.BeamFnControl/Control') + prefixed(b'\x0a\x01i' + b'\xca\x3e\x03\x0a\x01d')
    frames += b'>' + prefixed(b'/x.BeamFnData/Data') + prefixed(b'\x0a\x08\x0a\x01i\x1a\x03abc')
    done = dump(data=frames)
    assert done.returncode == 0, done.stderr
    text = done.stdout.decode()
    assert 'instruction_id: "i"' in text and 'process_bundle_descriptor_id: "d"' in text and 'data: "abc"' in text, text
    cut = dump(data=frames[:-2])
    assert cut.returncode == 1 and b'frame 1' in cut.stderr, cut.stderr


@test
def a_missing_file_and_a_wrong_type_are_one_line(tmp):
    done = dump(os.path.join(tmp, 'none'))
    assert done.returncode == 1 and done.stderr.count(b'\n') == 1 and b'No such file' in done.stderr, done.stderr
    done = dump('--type=pipelin')
    assert done.returncode == 2 and done.stderr.count(b'\n') == 1 and b'pipeline' in done.stderr, done.stderr
    done = dump('--tipe=x')
    assert done.returncode == 2 and b'--type' in done.stderr, done.stderr


@test
def garbage_never_crashes_it(tmp):
    for i in range(200):
        data = bytes((i * 31 + j * j * 7 + j // 3) % 256 for j in range(i * 5))
        done = dump('--type=descriptor', data=data)
        assert done.returncode in (0, 1), (i, done.returncode, done.stderr)


def main():
    print('1..%d' % len(TESTS))
    failed = 0
    for i, fn in enumerate(TESTS, 1):
        try:
            with tempfile.TemporaryDirectory() as tmp:
                fn(tmp)
            print('ok %d - %s' % (i, fn.__name__.replace('_', ' ')))
        except Exception as why:  # the others still run
            failed += 1
            print('not ok %d - %s' % (i, fn.__name__.replace('_', ' ')))
            print('\n'.join('# ' + x for x in ('%s: %s' % (type(why).__name__, why)).splitlines()))
    sys.exit(1 if failed else 0)


if __name__ == '__main__':
    main()
