"""config.pbtxt of the Triton models. `model_repository/` has the rendered files, for review."""

from __future__ import annotations

from pathlib import Path

from recommender_contract.online_store import RANKED_TRENDS

MODELS = ("recommender", "baseline")
#: Beyond 8 requests an answer of a batch takes no less CPU, and waits longer (ADR 0048).
MAX_BATCH_SIZE = 8

OUTPUTS = (("item_ids__0", "TYPE_INT64", -1), ("scores__1", "TYPE_FP32", -1))

#: Session lengths to warm up before the model is ready; each has its own tensor shape.
_WARM_LENGTHS = (1, 20)


def model_path(artifact: Path, name: str = MODELS[0]) -> Path:
    """Return the path of the exported graph of a model; the default is the served model."""
    return artifact / "repository" / name / "1" / "model.pt"


def inputs(features: int, *, trends: bool = False) -> tuple[tuple[str, str, int], ...]:
    """Return name, type and width of each input (docs/contracts.md), in the order of `forward`.

    `features` is the number of declared features of user and context; Triton has no empty input,
    so that without any the input has one column, which the graph ignores. With `trends`, the graph
    reads what is popular now.
    """
    now = (
        ("trend_items", "TYPE_INT64", RANKED_TRENDS),
        ("trend_counts", "TYPE_FP32", RANKED_TRENDS),
    )
    return (
        ("user_id", "TYPE_INT64", 1),
        ("features", "TYPE_FP32", max(1, features)),
        ("session_items", "TYPE_INT64", -1),
        ("session_timestamps", "TYPE_INT64", -1),
        ("session_values", "TYPE_FP32", -1),
        ("timestamp", "TYPE_INT64", 1),
        ("top_n", "TYPE_INT64", 1),
        *(now if trends else ()),
    )


def render_config(name: str, features: int, *, trends: bool = False) -> str:
    """Return the config.pbtxt of a model that reads so many declared features of requests, and
    perhaps what is popular now.
    """
    wanted = inputs(features, trends=trends)
    parts = [
        f'name: "{name}"',
        'platform: "pytorch_libtorch"',
        f"max_batch_size: {MAX_BATCH_SIZE}",
        "input [",
        ",\n".join(_tensor(*tensor) for tensor in wanted),
        "]",
        "output [",
        ",\n".join(_tensor(*tensor) for tensor in OUTPUTS),
        "]",
        "# Requests of one tensor shape are batched while one computes; none waits for others.",
        "dynamic_batching { max_queue_delay_microseconds: 0 }",
        "# Batches share the core of the instance; more cores are for more pods.",
        "instance_group [ { count: 1 kind: KIND_CPU } ]",
        'parameters { key: "INTRA_OP_THREAD_COUNT" value: { string_value: "1" } }',
        'parameters { key: "INTER_OP_THREAD_COUNT" value: { string_value: "1" } }',
        "# Session lengths vary: without this, the executor would specialise and compile for each",
        "# new shape, in the middle of traffic.",
        'parameters { key: "DISABLE_OPTIMIZED_EXECUTION" value: { string_value: "true" } }',
        'parameters { key: "INFERENCE_MODE" value: { string_value: "true" } }',
        "# The model is ready after these answers: the first ones are slow.",
        *(_warm_up(wanted, length) for length in _WARM_LENGTHS),
    ]
    return "\n".join(parts) + "\n"


def _tensor(name: str, kind: str, width: int) -> str:
    return f'  {{ name: "{name}" data_type: {kind} dims: [ {width} ] }}'


def _warm_up(wanted: tuple[tuple[str, str, int], ...], length: int) -> str:
    lines = [f'model_warmup {{\n  name: "session of {length}"\n  batch_size: 1\n  count: 3']
    for name, kind, width in wanted:
        size = length if width == -1 else width
        lines.append(
            f'  inputs {{ key: "{name}" value: '
            f"{{ data_type: {kind} dims: [ {size} ] zero_data: true }} }}"
        )
    return "\n".join([*lines, "}"])
