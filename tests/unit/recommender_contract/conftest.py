"""The recorded formats of the present release."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

GOLDEN = Path(__file__).parent / "golden"


@pytest.fixture
def recorded(request: pytest.FixtureRequest) -> Callable[[str, Any], None]:
    """Compare values with a file; `--update-golden` writes it."""

    def compare(name: str, found: Any) -> None:
        text, path = json.dumps(found, indent=2, ensure_ascii=False) + "\n", GOLDEN / name
        if request.config.getoption("--update-golden"):
            path.write_text(text, encoding="utf-8")
        assert path.exists(), f"{path} is missing; look at the values, then --update-golden"
        assert text == path.read_text(encoding="utf-8"), f"{name}: the format is another one"

    return compare
