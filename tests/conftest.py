"""What all tests share: expected manifests as files, rewritten by `pytest --update-golden`."""

from __future__ import annotations

import json
import pathlib
from collections.abc import Callable
from typing import Any

import pytest
import yaml

GOLDEN = pathlib.Path(__file__).parent / "golden"


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--update-golden", action="store_true", help="write the expected manifests anew"
    )


@pytest.fixture
def golden(request: pytest.FixtureRequest) -> Callable[[str, Any], None]:
    """Compare a manifest with tests/golden/<name>.yaml."""

    def check(name: str, manifest: Any) -> None:
        path = GOLDEN / f"{name}.yaml"
        plain = json.loads(json.dumps(manifest))  # equal parts are written out, not anchored
        text = yaml.safe_dump(plain, sort_keys=False, width=99)
        if request.config.getoption("--update-golden"):
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
        assert path.exists(), f"{path} is missing; look at the manifest, then --update-golden"
        assert text == path.read_text(encoding="utf-8")

    return check
