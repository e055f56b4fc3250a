"""Auto chooses by the kind of device alone; the log names what the processor has."""

from __future__ import annotations

import json
from typing import Any

import pytest
import torch

from recommender_contract.resource.hyperparameters import Precision
from recommender_training.common.processor import parse
from recommender_training.config.training import Hyperparameters
from recommender_training.distributed.group import Group
from recommender_training.trainer import precision, runtime
from recommender_training.trainer.precision import Device

AMX = "processor\t: 0\nmodel name\t: Xeon\nflags\t\t: fpu avx512_bf16 amx_bf16 amx_tile\n\n"
ARM = "processor : 0\nFeatures : fp asimd svebf16 bf16\n"
OLD = "model name : Core\nflags : fpu avx2 avx512bw\n"


@pytest.mark.parametrize(
    ("text", "flags"),
    [(AMX, ("amx_bf16", "avx512_bf16")), (OLD, ()), (ARM, ("bf16", "svebf16"))],
)
def test_a_processor_has_the_instructions_that_it_names(text: str, flags: tuple[str, ...]) -> None:
    of = parse(text)
    assert precision.cpu(of) == Device("cpu", of.name, flags)


@pytest.mark.parametrize(
    ("capability", "native"), [((8, 0), ("compute capability 8.0",)), ((7, 5), ())]
)
def test_a_gpu_has_bfloat16_from_its_compute_capability_on(
    monkeypatch: pytest.MonkeyPatch, capability: tuple[int, int], native: tuple[str, ...]
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda: capability)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda: "GPU")
    assert precision.device() == Device("cuda", "GPU", native)


@pytest.mark.parametrize("kind", ["cpu", "cuda"])
def test_auto_is_never_a_precision_that_was_not_measured_to_be_faster(kind: str) -> None:
    found = precision.choose_precision(Precision.AUTO, kind)
    assert found.requested is Precision.AUTO
    assert found.chosen is Precision.FLOAT32
    assert "BFloat16" in found.reason


@pytest.mark.parametrize("asked", [Precision.FLOAT32, Precision.BFLOAT16])
def test_a_precision_that_is_set_is_used(asked: Precision) -> None:
    assert precision.choose_precision(asked, "cpu").facts() == {
        "requested": asked.value,
        "chosen": asked.value,
        "reason": "set in hyperparameters.precision",
    }


def test_processes_on_different_processors_choose_the_same(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    chosen: list[runtime.Runtime] = []
    for text in (AMX, OLD, ARM):
        found = precision.cpu(parse(text))
        monkeypatch.setattr(precision, "device", lambda found=found: found)
        chosen.append(runtime.choose_runtime(Precision.AUTO, Group(rank=len(chosen), size=3)))
    assert chosen == [runtime.Runtime(torch.device("cpu"), Precision.FLOAT32)] * 3


def test_the_log_warns_of_a_precision_that_the_processor_emulates() -> None:
    set_here = precision.choose_precision(Precision.BFLOAT16, "cpu")
    assert "emulated" in precision.remark(set_here, precision.cpu(parse(OLD)))
    assert "emulated" not in precision.remark(set_here, precision.cpu(parse(AMX)))
    auto = precision.remark(
        precision.choose_precision(Precision.AUTO, "cpu"), precision.cpu(parse(AMX))
    )
    assert auto.startswith("Float32: ")
    assert "Xeon: amx_bf16, avx512_bf16 for BFloat16" in auto


def test_report_and_manifest_name_the_precision_and_no_processor(trained: Any) -> None:
    entry = precision.choose_precision(Precision.AUTO, "cpu").facts()
    manifest = json.loads((trained.staged / "manifest.json").read_text())
    assert trained.result.report["precision"] == entry
    assert manifest["precision"] == entry
    assert manifest["hyperparameters"]["precision"] == "Auto"
    assert precision.device().name not in (trained.staged / "report.json").read_text()


def test_auto_is_the_default() -> None:
    assert Hyperparameters().precision is Precision.AUTO
