"""Tables of docs/contracts/, made from the code that both sides of a contract import.

A page has a table between `<!-- generated: NAME -->` and `<!-- end -->`; `make reference` writes
it, and a unit test compares the pages with what this would write.
"""

from __future__ import annotations

import enum
import io
import re
import tokenize
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from types import ModuleType, UnionType
from typing import Any

import yaml
from prometheus_client import CollectorRegistry

from recommender_contract import (
    artifact,
    bands,
    events,
    features,
    hash_buckets,
    headers,
    local_calendar,
    online_store,
)
from recommender_operator.api import report
from recommender_operator.process import settings
from recommender_serving.monitoring.version_metrics import BUCKETS, Metrics

ROOT = Path(__file__).resolve().parents[1]
FOLDER = ROOT / "docs" / "contracts"
DEPLOYMENT = ROOT / "charts/recommender-operator/templates/deployment.yaml"
_PART = re.compile(r"(<!-- generated: ([a-z ]+) -->\n).*?(<!-- end -->)", re.DOTALL)
_ASSIGNED = re.compile(r"^([A-Z][A-Z_]*(?:(?:, | = )[A-Z][A-Z_]*)*) = ")
#: Labels of metrics whose values depend on the version, or are those of a histogram.
_OPEN = {"feature", "bin", "le"}


def pages() -> list[Path]:
    """Return the pages with tables."""
    return [path for path in sorted(FOLDER.glob("*.md")) if _PART.search(path.read_text("utf-8"))]


def page(path: Path) -> str:
    """Return a page with its tables as they would be written now."""
    text = path.read_text(encoding="utf-8")
    return _PART.sub(lambda part: f"{part[1]}{TABLES[part[2]]()}\n{part[3]}", text)


def _table(columns: str, rows: Iterator[Sequence[str]] | Sequence[Sequence[str]]) -> str:
    names = columns.split(", ")
    lines = [names, ["---"] * len(names), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def _code(value: object) -> str:
    return f"`{value}`".replace("|", "\\|")


def _number(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:g}"
    return f"{value:,}" if isinstance(value, int) else _code(value)


def constants(module: ModuleType) -> Iterator[tuple[list[str], str]]:
    """Yield the names of the constants that share a comment, and the comment."""
    names: list[str] = []
    comment: list[str] = []
    for line in [*Path(str(module.__file__)).read_text(encoding="utf-8").splitlines(), ""]:
        found = _ASSIGNED.match(line)
        if found and (comment or not (text := _trailing(line))):
            names += re.split(", | = ", found[1])
            continue
        if names and comment:
            yield names, " ".join(comment)
        if not (line.startswith("#: ") and not names):
            names, comment = [], []
        if found:
            yield re.split(", | = ", found[1]), text
        elif line.startswith("#: "):
            comment.append(line.removeprefix("#: "))


def _trailing(line: str) -> str:
    tokens = tokenize.generate_tokens(io.StringIO(line + "\n").readline)
    try:
        found = [
            token.string.removeprefix("# ") for token in tokens if token.type == tokenize.COMMENT
        ]
    except tokenize.TokenError:
        return ""
    return found[0] if found else ""


def _rows(module: ModuleType, pattern: str) -> Iterator[tuple[str, str]]:
    for names, text in constants(module):
        values = [getattr(module, name) for name in names]
        if re.match(pattern, names[0]) and all(
            isinstance(one, int | float | str) for one in values
        ):
            shown = ", ".join(dict.fromkeys(_number(one) for one in values))
            yield shown, f"{text[:1].upper()}{text[1:]}".rstrip(".").replace("|", "\\|")


def limits(module: ModuleType) -> str:
    """Return the bounds of a module with what they are of."""
    pattern = r"MAX|MOST|PER_ROW|BANDS|BUCKETS|SHARES|NAME$|TIME_ZONE"
    rows = [(value, text.split(". ")[0]) for value, text in _rows(module, pattern)]
    return _table("limit, of", rows)


def kinds() -> str:
    """Return the kinds of features with the settings that only they have."""
    return _table(
        "kind, settings",
        [
            (str(kind), ", ".join(_code(name) for name, of in features.ONLY.items() if kind in of))
            for kind in features.Kind
        ],
    )


def band_names() -> str:
    """Return names of bands by example."""
    examples: list[tuple[list[float], float | None]] = [
        ([18, 25], None), ([18, 25], 0), ([12.5, 30], None), ([-5, 1], None), ([], None),
    ]  # fmt: skip
    return _table(
        "edges, minimum, bands",
        [
            (
                ", ".join(map(bands.text_of, edges)) or "none",
                "" if least is None else bands.text_of(least),
                ", ".join(_code(name) for name in bands.names(edges, least)),
            )
            for edges, least in examples
        ],
    )


def buckets() -> str:
    """Return buckets of categories by example."""
    index = hash_buckets.HashedIndex(hash_buckets.names(100))
    rows = [(_code(text), _code(index.name(text))) for text in ("red", "naïve", "#7")]
    return _table("category, of 100 buckets", rows)


def calendars() -> str:
    """Return the categories of each calendar."""
    return _table(
        "calendar, categories in order",
        [
            (_code(part), f"`{names[0]}`, `{names[1]}`, … `{names[-1]}`")
            for part, names in local_calendar.NAMES.items()
        ],
    )


def event_kinds() -> str:
    """Return the kinds of events, of answers and of groups."""
    return _table(
        "field, values",
        [
            ("type of a CloudEvent", _code(f"{events.TYPE_PREFIX}<kind>")),
            ("content types", f"`{events.CONTENT_TYPE}`, `{events.BATCH_CONTENT_TYPE}`"),
            ("`kind`", ", ".join(map(_code, events.Kind))),
            ("`path`", ", ".join(map(_code, events.Source))),
            ("`group` of a holdout", f"`{events.HELD}`, `{events.OTHERS}`"),
            ("letters of `teams`", ", ".join(map(_code, (*events.TEAMS, events.NEITHER)))),
        ],
    )


def all_headers() -> str:
    """Return the headers with what they are of."""
    rows = [(value, text) for value, text in _rows(headers, r".*_HEADER$")]
    assert len(rows) == sum(name.endswith("_HEADER") for name in vars(headers))
    return _table("header, meaning", rows)


def artifact_files() -> str:
    """Return the files of an artifact that the contract names."""
    return _table("file, contents", list(_rows(artifact, r"(?!MAX)")))


def store_sets() -> str:
    """Return the sorted sets of a user."""
    members = {
        online_store.Set.RECENT: "interactions: `<item> <value> <kind><second>`; value 0: unknown",
        online_store.Set.SEEN: "items shown or opened",
        online_store.Set.BOUGHT: "items bought",
        online_store.Set.DISLIKED: "items disliked",
    }
    return _table(
        "key, members, most",
        [
            (
                _code(online_store.key("<model>", 0, each).replace(":0:", ":<user>:")),
                members[each],
                _number(online_store.LIMITS[each]),
            )
            for each in online_store.Set
        ],
    )


def metrics() -> str:
    """Return every metric of a transformer."""
    registry = CollectorRegistry()
    Metrics(registry, "m", "v", [("f", "0", 1)], {"f": 1.0}, {"f": 1.0})
    rows = []
    for family in registry.collect():
        values: dict[str, dict[str, None]] = {}
        for sample in family.samples:
            for label, value in sample.labels.items():
                if label not in {"model", "version", "le"}:
                    values.setdefault(label, {})[value] = None
        labels = [
            _code(label) + ("" if label in _OPEN else ": " + ", ".join(shown))
            for label, shown in values.items()
        ]
        name = f"{family.name}_total" if family.type == "counter" else family.name
        text = family.documentation.rstrip(".").replace("|", "\\|")
        rows.append((_code(name), family.type, "; ".join(labels), text))
    return _table("metric, type, further labels, meaning", rows)


def duration_buckets() -> str:
    """Return the bounds of the histograms of requests."""
    return "Buckets of requests and stages, in seconds: " + ", ".join(map(str, BUCKETS)) + "."


def reports() -> str:
    """Return the fields of the reports that the operator reads."""
    models = (
        report.CheckReport, report.SnapshotReport, report.TrainReport, report.RecalibrateReport,
        report.PublishReport,
    )  # fmt: skip
    rows = []
    for model in models:
        names = [
            _code(field.alias or name) + _below(field.annotation)
            for name, field in model.model_fields.items()
            if name not in {"schema_", "ok", "kind"}
        ]
        (kind,) = model.model_fields["kind"].annotation.__args__  # type: ignore[union-attr]
        rows.append((str(kind), ", ".join(names)))
    return _table("kind, fields", rows)


def _below(annotation: Any) -> str:
    """Return the fields of an object in a report."""
    parts = annotation.__args__ if isinstance(annotation, UnionType) else (annotation,)
    for part in parts:
        fields = getattr(part, "model_fields", {})
        if fields and not issubclass(part, enum.Enum):
            inner = (
                _code(field.alias or name) + _below(field.annotation)
                for name, field in fields.items()
            )
            return " (" + ", ".join(inner) + ")"
    return ""


def operator_settings() -> str:
    """Return the settings of the operator, with the value of the chart that sets each."""
    template = DEPLOYMENT.read_text(encoding="utf-8")
    rows = []
    for name, field in settings.Settings.model_fields.items():
        variable = settings.variable(name)
        expression = template.split(f"name: {variable}\n", 1)[1].split("- name:", 1)[0]
        values = dict.fromkeys(re.findall(r"\.Values\.([A-Za-z.]+[A-Za-z])", expression))
        if field.is_required():
            default = "required"
        else:
            default = "" if field.default in ((), "") else _code(_plain(field.default))
        rows.append((_code(variable), ", ".join(map(_code, values)), default))
    return _table("variable, value of the chart, default", rows)


def _plain(value: object) -> str:
    return str(yaml.safe_dump(value)).splitlines()[0]


TABLES: dict[str, Callable[[], str]] = {
    "artifact files": artifact_files,
    "bands": band_names,
    "buckets": buckets,
    "calendars": calendars,
    "duration buckets": duration_buckets,
    "event kinds": event_kinds,
    "event limits": lambda: limits(events),
    "feature kinds": kinds,
    "feature limits": lambda: limits(features),
    "headers": all_headers,
    "metrics": metrics,
    "operator settings": operator_settings,
    "reports": reports,
    "store sets": store_sets,
}
