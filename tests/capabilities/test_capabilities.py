#!/usr/bin/env python3
"""docs/capabilities.md is what the tests show: nothing stale, no test that is not there, no claim without a row."""
import importlib.machinery
import importlib.util
import os
import sys

ROOT = os.environ.get('BEAMC_ROOT') or os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.dont_write_bytecode = True
LOADER = importlib.machinery.SourceFileLoader('gen_capabilities', os.path.join(ROOT, 'scripts', 'gen-capabilities'))
gen = importlib.util.module_from_spec(importlib.util.spec_from_loader('gen_capabilities', LOADER))
LOADER.exec_module(gen)


def rows():
    return [(section, row) for section, table in gen.read_table() for row in table]


def test_the_document_is_up_to_date():
    path = os.path.join(ROOT, 'docs', 'capabilities.md')
    with open(path, encoding='utf-8') as file:
        return [] if file.read() == gen.generate() else ['it is stale: run scripts/gen-capabilities']


def test_every_named_test_exists():
    units = gen.unit_tests()
    return ['%s: no test %s' % (row[0], row[1]) for _, row in rows() if row[1] != '-' and not gen.test_exists(row[1], units)]


def test_every_advertised_urn_has_a_row():
    known = {row[0] for section, row in rows() if gen.must_be_advertised(section)}
    return ['%s is advertised and has no row' % urn for urn in sorted(gen.advertised() - known)]


def test_every_advertised_urn_has_a_test():
    tested = {row[0] for _, row in rows() if row[1] != '-'}
    return ['%s is advertised and no test shows it' % urn for urn in sorted(gen.advertised() - tested)]


def test_no_feature_is_listed_twice():
    seen, twice = set(), []
    for _, row in rows():
        twice += ['%s is there twice' % row[0]] if row[0] in seen else []
        seen.add(row[0])
    return twice


def test_a_test_that_is_not_there_is_no():
    units, listed = {('suite', 'here')}, {'beam:protocol:x:v1'}
    section = 'Advertised protocols'
    cases = [(section, 'beam:protocol:x:v1', 'unit/suite: here', 'yes'),
             (section, 'beam:protocol:x:v1', 'unit/suite: gone', 'no (no test)'),
             (section, 'beam:protocol:y:v1', 'unit/suite: here', 'no (tested, not advertised)'),
             (section, 'beam:protocol:y:v1', '-', 'no'),
             ('Others', 'feature', 'unit/suite: here', 'yes'),
             ('Others', 'feature', 'nowhere/suite: here', 'no')]
    return ['%s gave %r' % (case, got) for case in cases
            for got in [gen.ours(case[0], case[1], case[2], units, listed)] if got != case[3]]


def main():
    tests = [(name[5:].replace('_', ' '), fn) for name, fn in sorted(globals().items()) if name.startswith('test_')]
    failed = False
    print('1..%d' % len(tests))
    for number, (name, test) in enumerate(tests, 1):
        faults = test()
        failed |= bool(faults)
        print('%sok %d - %s' % ('not ' if faults else '', number, name))
        for fault in faults:
            print('# ' + fault)
    return 1 if failed else 0


if __name__ == '__main__':
    sys.exit(main())
