"""Each figure says what was measured, when, on what, and by which command."""

from __future__ import annotations

import re
from typing import Any

import pytest

from tests import figures

FIGURES = [figure for file in figures.files() for figure in figures.read(file)]
FIELDS = {"what", "value", "date", "machine", "command"}
OPTIONAL = {"unit", "interval", "conditions", "source", "headline"}
PROCESSOR = re.compile(r"Xeon|EPYC|Core|Neoverse|Graviton|[Pp]rocessor")


@pytest.mark.parametrize("figure", FIGURES, ids=lambda figure: str(figure["what"]))
def test_a_figure_can_be_measured_again(figure: dict[str, Any]) -> None:
    assert figure.keys() >= FIELDS
    assert figure.keys() <= FIELDS | OPTIONAL
    assert re.fullmatch(r"\d{4}-\d{2}-\d{2}", figure["date"])
    low, high = figure.get("interval", (0, 0))
    assert low <= high


def test_a_new_figure_names_the_processor() -> None:
    new = [figure for figure in FIGURES if figure["date"] > "2026-12-02"]
    assert [figure["what"] for figure in new if not PROCESSOR.search(figure["machine"])] == []


def test_a_benchmark_writes_its_figures_and_no_others() -> None:
    ratio = {"what": "ratio", "value": 1.0, "interval": [0.9, 1.1], "date": "2026-11-25"} | {
        "source": {
            "benchmark": "lists", "given": {"windows": 7},
            "value": "all.ratio", "interval": ["low", "high"],
        }
    }  # fmt: skip
    line = {"benchmark": "lists", "windows": 7, "all": {"ratio": 1.2}, "low": 1.1, "high": 1.3}
    found = figures.measured(ratio, line | {"machine": "Xeon"}, "2026-12-03")
    assert found == ratio | {
        "value": 1.2, "interval": [1.1, 1.3], "date": "2026-12-03", "machine": "Xeon",
    }  # fmt: skip
    for other in (line | {"benchmark": "peers"}, line | {"windows": 3}, {}):
        assert figures.measured(ratio, other, "2026-12-03") == ratio
    assert figures.measured({"value": 3}, line, "2026-12-03") == {"value": 3}
