"""The generated messages are current, and those of clients, with which they share a process."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests import generated_proto


def test_the_generated_modules_are_those_of_the_proto_file() -> None:
    for path, text in generated_proto.generate().items():
        assert path.read_text("utf-8") == text, f"{path.name} is not current: run `make proto`"


COMPARE = """
import importlib, sys
theirs = importlib.import_module(sys.argv[1])
from recommender_serving.inference import inference_pb2 as ours

def shape(message):
    fields = {f.number: (f.name, f.type, f.is_repeated) for f in message.fields}
    return fields, {each.name: each for each in message.nested_types}

def compare(mine, other):
    (fields, nested), (expected, inner) = shape(mine), shape(other)
    assert expected.items() <= fields.items(), mine.full_name
    for name, each in inner.items():
        compare(nested[name], each)

known = theirs.DESCRIPTOR.message_types_by_name
for name, message in ours.DESCRIPTOR.message_types_by_name.items():
    compare(message, known[name])
for method in ours.DESCRIPTOR.services_by_name["GRPCInferenceService"].methods:
    other = theirs.DESCRIPTOR.services_by_name["GRPCInferenceService"]
    assert method.name in other.methods_by_name
print(len(ours.DESCRIPTOR.message_types_by_name))
"""


@pytest.mark.parametrize(
    "other", ["kserve.protocol.grpc.grpc_predict_v2_pb2", "tritonclient.grpc.service_pb2"]
)
def test_the_messages_are_those_of_other_definitions_in_the_same_process(other: str) -> None:
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", COMPARE, other],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) == 14
