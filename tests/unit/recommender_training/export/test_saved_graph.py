"""A large graph is written without a copy in memory, as the same bytes."""

# No `from __future__ import annotations`: TorchScript evaluates the class annotations itself.
import errno
import subprocess
import sys
import tracemalloc
from pathlib import Path

import torch
from torch import Tensor, nn

from recommender_training.export import torchscript
from recommender_training.export.torchscript import own_storage

MEGABYTES = 32
#: Limits of a file, in bytes.
LIMITS = [0, 200_000, 4_800_000, 8_000_000]
#: Saves a graph of 5 MB at each limit; prints the errors, and what they left.
BOUNDED = """
import resource, sys
from pathlib import Path
from torch import nn
from recommender_training.export import torchscript
path, graph = Path(sys.argv[1]), nn.Linear(1100, 1100)
_, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
for most in map(int, sys.argv[2:]):
    resource.setrlimit(resource.RLIMIT_FSIZE, (most, hard))
    try:
        torchscript.save(graph, path)
    except OSError as error:
        print(error.errno, [each.name for each in path.parent.iterdir()])
"""


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


def test_a_file_that_cannot_be_written_is_an_error_and_does_not_end_the_process(
    tmp_path: Path,
) -> None:
    command = [sys.executable, "-c", BOUNDED, str(tmp_path / "model.pt"), *map(str, LIMITS)]
    ended = subprocess.run(command, capture_output=True, text=True)
    expected = f"{errno.EFBIG} []\n" * len(LIMITS)  # no half archive
    assert (ended.returncode, ended.stdout) == (0, expected), ended.stderr


def test_a_buffer_is_copied_only_where_it_is_a_part_of_something_larger() -> None:
    whole = nn.Parameter(torch.rand(4, 3))
    found = own_storage(whole)
    assert found.data_ptr() == whole.data_ptr()
    assert not found.requires_grad
    part = own_storage(whole[:2])
    assert torch.equal(part, whole[:2])
    assert part.untyped_storage().nbytes() == part.nbytes
