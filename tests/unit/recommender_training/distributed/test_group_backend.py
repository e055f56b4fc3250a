"""Processes use nccl with one GPU each, or gloo without GPUs."""

from __future__ import annotations

import pytest
import torch
import torch.distributed as dist
from torch._C._distributed_c10d import HashStore

from recommender_contract.resource.hyperparameters import Precision
from recommender_training.distributed import launch
from recommender_training.distributed.rank import Rank
from recommender_training.trainer import runtime
from recommender_training.trainer.runtime import Runtime


@pytest.mark.parametrize(
    ("gpus", "backend", "device"), [(False, "gloo", "cpu"), (True, "nccl", "cuda:1")]
)
def test_backend_and_device_match_the_hardware(
    monkeypatch: pytest.MonkeyPatch, gpus: bool, backend: str, device: str
) -> None:
    started: list[str] = []
    used: list[torch.device] = []
    monkeypatch.setattr(torch.cuda, "is_available", lambda: gpus)
    monkeypatch.setattr(torch.cuda, "set_device", used.append)
    monkeypatch.setattr(dist, "rendezvous", lambda *_, **__: iter([(HashStore(), 1, 2)]))
    monkeypatch.setattr(launch, "rendezvous", lambda *_: "group")
    monkeypatch.setattr(dist, "init_process_group", lambda name, **_: started.append(name))
    monkeypatch.setattr(dist, "destroy_process_group", lambda: started.append("ended"))
    with launch.joined_group(Rank(rank=1, size=2, local_rank=1, seconds=5)) as (group, _):
        how = runtime.choose_runtime(Precision.BFLOAT16, group)
    assert how == Runtime(torch.device(device), Precision.BFLOAT16, compiler=None)
    assert started == [backend, "ended"]
    assert used == ([torch.device("cuda", 1)] if gpus else [])
