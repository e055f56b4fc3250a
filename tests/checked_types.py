"""Checks types by mypy, with a cache that a new clone finds.

mypy knows a file of the cache by the content of its source, and its own version and settings by
the cache's; what it read before, such as the stubs of PyTorch, it does not read again.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from tests.cluster import locks
from tests.cluster.settings import cache_folder

MYPY = Path(sys.executable).with_name("mypy")


def main(arguments: list[str]) -> int:
    """Return the exit status of mypy; only one at a time writes the cache."""
    with locks.cache_held("mypy", "another check of types"):
        command = [str(MYPY), f"--cache-dir={cache_folder() / 'mypy'}", *arguments]
        return subprocess.run(command, check=False).returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
