"""Small TorchScript models with known answers and faults on demand."""

from __future__ import annotations

import warnings
from pathlib import Path

import torch

#: Users for whom `FaultyOnDemand` misbehaves. TorchScript reads no constants of a module.
BREAKS, NOT_FINITE, EMPTY, SLOW, MISSHAPEN = 666, 667, 668, 669, 670
CATALOGUE = 50
INPUTS = {
    "user_id": ("INT64", 1),
    "features": ("FP32", 3),
    "session_items": ("INT64", -1),
    "session_timestamps": ("INT64", -1),
    "session_values": ("FP32", -1),
    "timestamp": ("INT64", 1),
    "top_n": ("INT64", 1),
}


class FaultyOnDemand(torch.nn.Module):
    """Item i scores `(i + user) mod 50 / 50`; each special user triggers one kind of failure."""

    def forward(
        self,
        user_id: torch.Tensor,
        features: torch.Tensor,
        session_items: torch.Tensor,
        session_timestamps: torch.Tensor,
        session_values: torch.Tensor,
        timestamp: torch.Tensor,
        top_n: torch.Tensor,
    ) -> tuple[torch.Tensor, torch.Tensor]:
        if bool((user_id == 666).any()):
            raise RuntimeError("this user breaks the model")
        if bool((user_id == 669).any()):
            work = torch.ones(512, 512)
            for _ in range(200):
                work = (work @ work).clamp(0.0, 1.0)
            user_id = user_id + work[0, 0].long() * 0
        items = torch.arange(50)
        scores = ((items + user_id) % 50).float() / 50
        seen = (session_items.unsqueeze(2) == items).any(dim=1)
        best = scores.masked_fill(seen, -1.0).topk(int(top_n.max()), dim=1)
        values = best.values
        if bool((user_id == 667).any()):
            values = values * float("nan")
        if bool((user_id == 668).any()):
            return best.indices[:, :0], values[:, :0]
        if bool((user_id == 670).any()):
            return best.indices, values[:, 1:]
        return best.indices, values


class Plain(torch.nn.Module):
    """The baseline: item i scores i / 100."""

    def forward(
        self,
        user_id: torch.Tensor,
        features: torch.Tensor,
        session_items: torch.Tensor,
        session_timestamps: torch.Tensor,
        session_values: torch.Tensor,
        timestamp: torch.Tensor,
        top_n: torch.Tensor,
    ) -> tuple[torch.Tensor, torch.Tensor]:
        items = torch.arange(50)
        scores = (items.float() / 100).expand(user_id.shape[0], 50)
        seen = (session_items.unsqueeze(2) == items).any(dim=1)
        best = scores.masked_fill(seen, -1.0).topk(int(top_n.max()), dim=1)
        return best.indices, best.values


class Listed(torch.nn.Module):
    """The items of a list, the first scored best."""

    def __init__(self, items: list[int]) -> None:
        super().__init__()
        self.items: torch.Tensor
        self.register_buffer("items", torch.tensor(items))

    def forward(
        self,
        user_id: torch.Tensor,
        features: torch.Tensor,
        session_items: torch.Tensor,
        session_timestamps: torch.Tensor,
        session_values: torch.Tensor,
        timestamp: torch.Tensor,
        top_n: torch.Tensor,
    ) -> tuple[torch.Tensor, torch.Tensor]:
        count = self.items.shape[0]
        scores = 1.0 - torch.arange(count).float() / 100
        seen = (session_items.unsqueeze(2) == self.items).any(dim=1)
        best = scores.expand(user_id.shape[0], count).masked_fill(seen, -1.0)
        top = best.topk(min(int(top_n.max()), count), dim=1)
        return self.items[top.indices], top.values


def save(
    module: torch.nn.Module,
    folder: Path,
    batching: str = "dynamic_batching { }",
    most: int = 64,
) -> None:
    """Write a model folder of a Triton repository; `most` requests are in a batch."""
    (folder / "1").mkdir(parents=True)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of TorchScript itself
        scripted: torch.jit.ScriptModule = torch.jit.script(module)
        torch.jit.save(scripted, folder / "1" / "model.pt")
    inputs = ", ".join(
        f'{{ name: "{name}" data_type: TYPE_{kind} dims: [ {size} ] }}'
        for name, (kind, size) in INPUTS.items()
    )
    (folder / "config.pbtxt").write_text(
        f'platform: "pytorch_libtorch"\nmax_batch_size: {most}\ninput [ {inputs} ]\n'
        'output [ { name: "item_ids__0" data_type: TYPE_INT64 dims: [ -1 ] },\n'
        '  { name: "scores__1" data_type: TYPE_FP32 dims: [ -1 ] } ]\n' + batching + "\n"
    )
