"""A large graph is written without a copy in memory, as the same bytes."""

# No `from __future__ import annotations`: TorchScript evaluates the class annotations itself.
import tracemalloc
from pathlib import Path

import torch
from torch import Tensor, nn

from recommender_training.export import torchscript
from recommender_training.export.buffers import alone

MEGABYTES = 32


class Table(nn.Module):
    """A graph of one large buffer."""

    table: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("table", torch.rand(MEGABYTES * 250_000))

    def forward(self, rows: Tensor) -> Tensor:
        return self.table[rows]


def test_a_file_has_the_bytes_of_the_archive_in_memory_and_nothing_beside_it(
    tmp_path: Path,
) -> None:
    graph, path = Table().eval(), tmp_path / "1" / "model.pt"
    torchscript.save(graph, path)
    assert path.read_bytes() == torchscript.archive(graph)
    assert [each.name for each in path.parent.iterdir()] == ["model.pt"]
    rows = torch.tensor([3, 1])
    assert torch.equal(torchscript.load(path)(rows), graph(rows))


def test_saving_holds_no_copy_of_the_graph(tmp_path: Path) -> None:
    graph = Table().eval()
    tracemalloc.start()
    try:
        torchscript.save(graph, tmp_path / "model.pt")
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert (tmp_path / "model.pt").stat().st_size > MEGABYTES * 1e6
    assert peak < 0.25 * MEGABYTES * 1e6


def test_a_buffer_is_copied_only_where_it_is_a_part_of_something_larger() -> None:
    whole = nn.Parameter(torch.rand(4, 3))
    found = alone(whole)
    assert found.data_ptr() == whole.data_ptr()
    assert not found.requires_grad
    part = alone(whole[:2])
    assert torch.equal(part, whole[:2])
    assert part.untyped_storage().nbytes() == part.nbytes
