"""Expected texts as files: tests/unit/golden/cli/<name>.txt."""

from __future__ import annotations

import pathlib
from collections.abc import Callable, Sequence

import pytest

GOLDEN = pathlib.Path(__file__).resolve().parents[1] / "golden" / "cli"


@pytest.fixture
def expected(request: pytest.FixtureRequest) -> Callable[[str, Sequence[str]], None]:
    """Compare lines with a file; `--update-golden` writes it."""

    def check(name: str, lines: Sequence[str]) -> None:
        path, text = GOLDEN / f"{name}.txt", "\n".join(lines) + "\n"
        if request.config.getoption("--update-golden"):
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
        assert path.exists(), f"{path} is missing; look at the text, then --update-golden"
        assert text == path.read_text(encoding="utf-8")

    return check
