"""placeholder"""

from pathlib import Path


def write_demo(movielens: Path, output: Path, seed: int, sessions: int) -> dict[str, int]:
    raise NotImplementedError
