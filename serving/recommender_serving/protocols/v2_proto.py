"""The v2 protocol over gRPC: from and to its messages: pure."""

from __future__ import annotations

from recommender_serving.inference import inference_pb2 as pb
from recommender_serving.protocols.errors import InvalidRequest
from recommender_serving.protocols.raw_tensors import pack, unpack
from recommender_serving.protocols.v2_messages import (
    MAX_ID,
    InferCall,
    InferReply,
    NamedTensor,
    OutputTensor,
    contents_of,
    request_id,
    wanted_of,
)

#: Field of the typed contents, by datatype.
FIELDS = {
    "BOOL": "bool_contents",
    "INT32": "int_contents",
    "INT64": "int64_contents",
    "FP32": "fp32_contents",
    "FP64": "fp64_contents",
    "BYTES": "bytes_contents",
}


def decode(request: pb.ModelInferRequest) -> InferCall:
    """Read a message; the answer has raw contents if the request has.

    Raises:
        InvalidRequest: the contents violate the protocol; the fields are validated later.
    """
    contents = request.raw_input_contents
    if contents and len(contents) != len(request.inputs):
        raise InvalidRequest(
            f"raw_input_contents: got {len(contents)}; give one of each of the "
            f"{len(request.inputs)} inputs"
        )
    if len(request.id) > MAX_ID:
        raise InvalidRequest(f"id: give at most {MAX_ID} characters")
    raw = bool(contents)
    tensors = [
        _tensor(each, contents[index] if raw else None)
        for index, each in enumerate(request.inputs)
    ]
    asked = [(output.name, raw) for output in request.outputs]
    return InferCall(request.id or request_id(None), tensors, wanted_of(asked, raw))


def message_of(call: InferCall, model: str) -> pb.ModelInferRequest | None:
    """Return a message with the inputs of a valid call, which asks for all outputs as typed ones.

    None if the message has no place for a value.
    """
    message = pb.ModelInferRequest(model_name=model, id=call.id)
    try:
        for tensor in call.tensors:
            added = message.inputs.add(
                name=tensor.name, datatype=tensor.datatype, shape=tensor.shape
            )
            values = tensor.values
            if tensor.datatype == "BYTES":
                values = [v if isinstance(v, bytes) else str(v).encode() for v in values]
            getattr(added.contents, FIELDS[tensor.datatype]).extend(values)
    except (KeyError, TypeError, ValueError):
        return None
    return message


def encode(reply: InferReply) -> pb.ModelInferResponse:
    """Return the message of a reply."""
    response = pb.ModelInferResponse(
        model_name=reply.model, model_version=reply.version, id=reply.id
    )
    for tensor in reply.outputs:
        output = response.outputs.add(
            name=tensor.name, datatype=tensor.datatype, shape=[len(tensor.values)]
        )
        if tensor.raw:
            response.raw_output_contents.append(pack(tensor.datatype, tensor.values))
        else:
            _type(output.contents, tensor)
    return response


def _type(contents: pb.InferTensorContents, tensor: OutputTensor) -> None:
    values = tensor.values
    if tensor.datatype == "BYTES":
        values = [str(value).encode() for value in values]
    getattr(contents, FIELDS[tensor.datatype]).extend(values)


def _tensor(given: pb.ModelInferRequest.InferInputTensor, raw: bytes | None) -> NamedTensor:
    name, datatype, shape = given.name, given.datatype, list(given.shape)
    if raw is None:
        field = FIELDS.get(datatype)
        values = [] if field is None else list(getattr(given.contents, field))
        return NamedTensor(name, datatype, shape, values)
    if given.HasField("contents"):
        raise InvalidRequest(f"{name[:100]}: give its contents raw or typed, not both")
    try:
        return NamedTensor(name, datatype, shape, unpack(datatype, shape, raw))
    except ValueError as error:
        raise contents_of(name, datatype, shape, len(raw)) from error
