"""Every block and every command of the pages is checked by what it is.

A block that no check understands fails, unless `UNCHECKED` says why it is right as it is.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

import pydantic
import pytest

from recommender_serving.experiments.holdout import Holdout
from recommender_serving.protocols.errors import InvalidRequest
from recommender_serving.protocols.request_limits import Limits
from recommender_serving.protocols.v1 import parse_v1
from tests import chart, dashboards, exported
from tests.pages import blocks, charts, models, programs, requests, snippets
from tests.pages.blocks import ROOT, Block

#: Blocks by page and start, with the test that compares them, or the reason for none.
UNCHECKED = {
    ("docs/contracts/collector.md", '{"experiment": "0a1b2c3d", "watermark"'):
        "tests/unit/recommender_operator/test_experiment_contract.py",
    ("docs/notifications.md", '{\n  "schema"'):
        "tests/unit/recommender_operator/notifications/test_bodies.py",
    ("docs/console.md", "apiVersion: gateway.networking.k8s.io/v1"):
        "an HTTPRoute of the reader's own Gateway; its Service is compared below",
    ("docs/gitops.md", "data:"):
        "a part of a ConfigMap of Argo CD, with a file of this repository",
    ("docs/rbac.md", "apiVersion: rbac.authorization.k8s.io/v1"):
        "tests/unit/test_rbac_page.py",
}  # fmt: skip
#: Languages of blocks that nobody types: diagrams, formulas, output, folders.
SHOWN = {"text"}
#: What the pages name and other exporters serve.
OTHERS = {"nv_inference_queue_duration_us", "nv_inference_compute_infer_duration_us"}
#: Texts in the form of a metric that are none.
NO_METRICS = re.compile(r"recommender_(operator|serving|training|collector|client|kubectl)$")


def ids(block: Block) -> str:
    return str(block)


def exceptions(block: Block) -> set[tuple[str, str]]:
    return {
        (page, start)
        for page, start in UNCHECKED
        if block.page == page and block.text.startswith(start)
    }


def checked(*languages: str) -> list[Block]:
    return [block for block in blocks.of(*languages) if not exceptions(block)]


def test_every_block_is_of_a_language_that_is_checked() -> None:
    known = SHOWN | {"sh", "yaml", "json", "python", "promql"}
    unknown = [str(block) for block in blocks.blocks() if block.language not in known]
    assert [each for each in unknown if not each.startswith(("docs/index", "docs/decis"))] == []
    assert len(blocks.blocks()) > 80


def test_code_is_fenced_so_that_its_language_is_known() -> None:
    assert [str(block) for block in blocks.indented()] == []


def test_no_command_escapes_the_checks_in_a_block_that_is_only_shown() -> None:
    typed = [
        f"{block}: {line}"
        for block in blocks.of(*SHOWN)
        for line in block.text.splitlines()
        if line.startswith(tuple(f"{program} " for program in blocks.PROGRAMS))
    ]
    assert typed == []


def test_every_exception_is_used_and_the_test_that_it_names_exists() -> None:
    used = {each for block in blocks.blocks() for each in exceptions(block)}
    assert used == UNCHECKED.keys()
    tests = [reason for reason in UNCHECKED.values() if reason.startswith("tests/")]
    assert [path for path in tests if not (ROOT / path).exists()] == []


@pytest.mark.parametrize("block", checked("sh"), ids=ids)
def test_commands_are_understood_by_what_they_start(block: Block) -> None:
    assert programs.problems(block) == []


def test_commands_in_the_text_are_understood_by_what_they_start() -> None:
    assert len(blocks.spans()) > 60
    found = [(str(block), wrong) for block in blocks.spans() for wrong in programs.problems(block)]
    assert found == []


@pytest.mark.parametrize("block", checked("yaml"), ids=ids)
def test_yaml_is_a_model_a_part_of_one_or_values_of_the_chart(block: Block) -> None:
    found = models.documents(block.text)
    assert found
    for document in found:
        if models.is_model(document):
            assert list(models.fragment_problems(document)) == []
        else:
            assert "kind" not in document, "of which kind? check it here, or list it above"
            assert list(charts.value_problems(document)) == []


@pytest.mark.parametrize("where", charts.rendered())
def test_the_chart_renders_with_the_values_of_a_page(where: str, tmp_path: Path) -> None:
    file = tmp_path / "values.json"
    file.write_text(json.dumps(charts.rendered()[where]), encoding="utf-8")
    done = chart.run_helm("template", "recommender", str(chart.CHART), "-f", str(file))
    assert done.returncode == 0, done.stderr


def a_mapping(page: str, shown: object) -> list[str]:
    spec = {"data": {"source": {"mapping": shown}}}
    return list(models.fragment_problems({"spec": spec}))


def an_instance(page: str, shown: object) -> list[str]:
    """A request to the model whose mapping is the page's first."""
    spec = next(b for b in blocks.of("yaml") if b.page == page)
    mapping = models.documents(spec.text)[0]["spec"]["data"]["source"]["mapping"]
    parse_v1({"instances": [shown]}, requests.limits_by(mapping), requests.NOW)
    return []


def a_refusal(page: str, shown: object) -> list[str]:
    """The refusal of a time in milliseconds, word for word."""
    bad = {"user_id": 1, "timestamp": 1764000000000}
    with pytest.raises(InvalidRequest) as refused:
        parse_v1({"instances": [bad]}, Limits(), requests.NOW)
    said = {"error": str(refused.value)}
    return [] if shown == said else [json.dumps(said)]


def a_holdout(_page: str, shown: object) -> list[str]:
    """The setting of the transformers."""
    try:
        pydantic.TypeAdapter(Holdout).validate_json(json.dumps(shown))
    except ValueError as error:
        return [str(error)]
    return []


#: What a JSON object is, by a field that it has.
JSON_CHECKS: dict[str, Callable[[str, object], list[str]]] = {
    "interactions": a_mapping,
    "user_id": an_instance,
    "error": a_refusal,
    "salt": a_holdout,
}


@pytest.mark.parametrize("block", checked("json"), ids=ids)
def test_json_is_what_its_reader_takes_or_its_writer_writes(block: Block) -> None:
    shown = json.loads(block.text)
    (check,) = [check for field, check in JSON_CHECKS.items() if field in shown]
    assert check(block.page, shown) == []


@pytest.mark.parametrize("block", checked("python"), ids=ids)
def test_python_compiles_and_its_names_and_calls_exist(block: Block) -> None:
    assert snippets.problems(block.text) == []


@pytest.mark.parametrize("block", checked("promql"), ids=ids)
def test_queries_are_of_metrics_that_exist(block: Block) -> None:
    named = dashboards.metrics(block.text)
    assert named
    assert named <= exported.series()


@pytest.mark.parametrize("page", [p for p in blocks.pages() if "adr" not in p.parts], ids=str)
def test_a_page_names_only_metrics_that_exist(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    named = set(re.findall(r"`((?:recommender|transformer|nv)_[a-z_]+)[`{]", text))
    named -= {name for name in named if NO_METRICS.match(name)}
    assert named <= exported.series() | exported.families().keys() | OTHERS


def test_the_route_of_the_console_leads_to_its_service() -> None:
    shown = [block for block in blocks.of("yaml") if "kind: HTTPRoute" in block.text]
    (block,) = (block for block in shown if block.page == "docs/console.md")
    (route,) = models.documents(block.text)
    (backend,) = route["spec"]["rules"][0]["backendRefs"]
    golden = ROOT / "tests" / "unit" / "golden" / "chart" / "console.yaml"
    services = {
        (each["metadata"]["name"], port["port"])
        for each in models.documents(golden.read_text(encoding="utf-8"))
        if each["kind"] == "Service"
        for port in each["spec"]["ports"]
    }
    assert (backend["name"], backend["port"]) in services
