"""What the pages ask of grpcurl, with its flags: one unary call, its message and answer as JSON.

The message is read by the .proto file that the flags name, as grpcurl reads it.
"""

from __future__ import annotations

import argparse
import pathlib
import sys
import tempfile
from typing import Any

import grpc
from google.protobuf import descriptor_pb2, descriptor_pool, json_format, message_factory
from grpc_tools import protoc


def method_of(folder: str, file: str, name: str) -> tuple[Any, Any]:
    """Return the classes of the message and the answer of a method `package.Service/Method`."""
    with tempfile.TemporaryDirectory() as scratch:
        out = pathlib.Path(scratch, "set")
        words = ["protoc", f"-I{folder}", "--include_imports", f"--descriptor_set_out={out}", file]
        assert protoc.main(words) == 0
        files = descriptor_pb2.FileDescriptorSet.FromString(out.read_bytes())
    pool = descriptor_pool.DescriptorPool()
    for each in files.file:
        pool.Add(each)
    service, _, method = name.partition("/")
    found = pool.FindServiceByName(service).methods_by_name[method]
    make = message_factory.GetMessageClass
    return make(found.input_type), make(found.output_type)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("-plaintext", action="store_true", required=True)
    for flag in ("-authority", "-import-path", "-proto", "-d"):
        parser.add_argument(flag, required=True)
    parser.add_argument("address")
    parser.add_argument("method")
    given = parser.parse_args()
    takes, gives = method_of(given.import_path, given.proto, given.method)
    options = [("grpc.default_authority", given.authority)]
    with grpc.insecure_channel(given.address, options) as channel:
        call = channel.unary_unary(f"/{given.method}", takes.SerializeToString, gives.FromString)
        answer = call(json_format.Parse(given.d, takes()), timeout=30)
    sys.stdout.write(json_format.MessageToJson(answer))


if __name__ == "__main__":
    main()
