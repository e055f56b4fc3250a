"""What all tests share: expected manifests as files, and how hard the properties are tried.

`pytest --update-golden` writes the manifests anew. `HYPOTHESIS_PROFILE=thorough` tries many
random examples of each property. The default, `quick`, tries few, the same ones in every run: a
test that fails for the first time fails because of the change.
"""

from __future__ import annotations

import json
import os
import pathlib
from collections.abc import Callable
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, settings

# A busy machine is no defect: examples have no deadline.
for name, examples in (("quick", 20), ("thorough", 1000)):
    settings.register_profile(
        name,
        deadline=None,
        derandomize=name == "quick",
        max_examples=examples,
        suppress_health_check=[HealthCheck.too_slow],
    )
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "quick"))

GOLDEN = pathlib.Path(__file__).parent / "golden"
#: Maximum length of a failure, in characters; the last ones show the difference.
SHOWN_AT_ONCE = 8000


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--update-golden", action="store_true", help="write the expected manifests anew"
    )


class FailuresAtOnce:
    """Prints a failure when it happens: pytest prints it at the end of the run."""

    def __init__(self, config: pytest.Config) -> None:
        self._terminal = config.pluginmanager.get_plugin("terminalreporter")

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.failed and self._terminal is not None:
            self._terminal.write_line(f"\n{report.nodeid} ({report.when})")
            self._terminal.write_line(report.longreprtext[-SHOWN_AT_ONCE:])


@pytest.hookimpl(trylast=True)
def pytest_configure(config: pytest.Config) -> None:
    if not hasattr(config, "workerinput"):
        config.pluginmanager.register(FailuresAtOnce(config))


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
