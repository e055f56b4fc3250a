"""Record what the present release writes, before it becomes the former one.

python -m tests.recorded
"""

from __future__ import annotations

import importlib.metadata
import tempfile
from pathlib import Path

from tests.recorded import recorder


def main() -> None:
    version = importlib.metadata.version("recommender-operator")
    with tempfile.TemporaryDirectory() as work:
        recorder.record(Path(__file__).parent / version, Path(work))


if __name__ == "__main__":
    main()
