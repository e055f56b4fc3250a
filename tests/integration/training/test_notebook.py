"""The notebook for data scientists: all of its cells run, from top to bottom."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from recommender_operator.api.spec import RecommenderModelSpec

PAGE = Path(__file__).resolve().parents[3] / "docs" / "data-to-report.ipynb"
NOTEBOOK: dict[str, Any] = json.loads(PAGE.read_text(encoding="utf-8"))


def test_it_is_a_notebook_without_results() -> None:
    assert (NOTEBOOK["nbformat"], NOTEBOOK["nbformat_minor"]) == (4, 5)
    ids = [cell["id"] for cell in NOTEBOOK["cells"]]
    assert len(set(ids)) == len(ids)
    code = [cell for cell in NOTEBOOK["cells"] if cell["cell_type"] == "code"]
    assert len(code) >= 6
    assert all(cell["outputs"] == [] and cell["execution_count"] is None for cell in code)


def test_its_links_lead_somewhere() -> None:
    text = "".join("".join(cell["source"]) for cell in NOTEBOOK["cells"])
    links = [part.split(")")[0] for part in text.split("](")[1:]]
    assert len(links) >= 3
    assert [link for link in links if not (PAGE.parent / link).exists()] == []


def test_its_cells_lead_from_data_to_a_report_and_a_valid_model(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    names: dict[str, Any] = {"__name__": "__main__"}
    for cell in NOTEBOOK["cells"]:
        if cell["cell_type"] == "code":
            source = compile("".join(cell["source"]), f"{PAGE.name}#{cell['id']}", "exec")
            exec(source, names)
    # Buyers prefer a category by their club, which a model must find.
    assert names["metrics"]["aucLow"] > 0.6
    assert "<h2>" in names["page"].read_text(encoding="utf-8")
    model = json.loads((tmp_path / "shop.json").read_text(encoding="utf-8"))
    RecommenderModelSpec.model_validate(model["spec"])
