"""Writes the proto of a pipeline with an identity DoFn to the file that is named: Python's part of bench/run-fnapi.

Runs under the Python of scripts/beam-venv. The DoFn is pickled by value, so that the harness needs no module of ours.
"""
import sys

import apache_beam as beam


class Identity(beam.DoFn):
    def process(self, element):
        yield element


def main():
    pipeline = beam.Pipeline()
    _ = (pipeline | beam.Impulse() | 'Identity' >> beam.ParDo(Identity()).with_output_types(bytes))
    with open(sys.argv[1], 'wb') as file:
        file.write(pipeline.to_runner_api().SerializeToString())


if __name__ == '__main__':
    main()
