"""Render the page from the evaluation report and the lineage; equal input gives equal bytes."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from recommender_training.html_report import (
    checks_section,
    exploration_section,
    figures,
    label_section,
    mitigation_section,
    peers_section,
    recalibration_section,
    search_section,
    tables,
    variants_section,
    verdict,
    words,
)
from recommender_training.html_report.markup import Child, Markup, join, tag
from recommender_training.html_report.style import CSS

#: Forbids scripts and requests in the reader's browser.
_POLICY = "default-src 'none'; style-src 'unsafe-inline'"
_TITLES = {"DeepRanker": "deep ranker", "LogisticRegression": "logistic regression"}

_Report = Mapping[str, Any]


def render(report: _Report, lineage: _Report, digest: str | None = None) -> bytes:
    """Return the page as UTF-8.

    `lineage` is the content of the manifest with its `files`. `digest` is that of the artifact,
    which the page inside the artifact cannot know.
    """
    algorithm = str(report["algorithm"])
    title = f"Recommender evaluation: {_TITLES.get(algorithm, algorithm)}"
    head = tag(
        "head",
        tag("meta", charset="utf-8"),
        tag("meta", http_equiv="Content-Security-Policy", content=_POLICY),
        tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
        tag("meta", name="color-scheme", content="light dark"),
        tag("title", title),
        tag("style", Markup(CSS)),
    )
    body = tag(
        "body",
        tag("header", tag("h1", title), _subtitle(report), _verdict(report), _tiles(report)),
        tag("main", *_sections(report), _lineage(report, lineage, digest)),
    )
    page = join(Markup("<!doctype html>\n"), tag("html", head, body, lang="en"), Markup("\n"))
    return page.source.encode()


def _section(title: str, *children: Child) -> Markup | None:
    present = [child for child in children if child is not None]
    return tag("section", tag("h2", title), *present) if present else None


def _subtitle(report: _Report) -> Markup:
    windows = report["windows"]
    users = report.get("uncertainty", {}).get("users")
    rows = f"{words.count(windows['testRows'])} interactions"
    if users is not None:
        rows += f" of {words.count(users)} users"
    start, end = (str(windows[key])[:10] for key in ("testStart", "end"))
    return tag(
        "p", f"Evaluated once on {rows}, {start} to {end}, unseen in training.", class_="soft"
    )


def _verdict(report: _Report) -> Markup:
    found = verdict.build_verdict(report)
    reasons = tag("ul", *[tag("li", reason) for reason in found.reasons])
    return tag("div", tag("strong", found.headline), reasons, class_=f"verdict {found.tone}")


def _tiles(report: _Report) -> Markup:
    metrics = report["metrics"]
    shown = (
        ("auc", "AUC", "baseline", "baselineAuc"),
        ("logLoss", "Log loss", "baseline", "baselineLogLoss"),
        ("ndcgAt10", "NDCG@10", "popularity", "popularityNdcgAt10"),
        ("calibrationError", "Calibration error", "baseline", "baselineCalibrationError"),
    )
    tiles = [
        tag(
            "div",
            tag("span", label),
            tag("b", words.number(metrics.get(key))),
            tag("span", f"{other} {words.number(metrics.get(reference))}"),
            class_="tile",
        )
        for key, label, other, reference in shown
    ]
    return tag("div", *tiles, class_="tiles")


def _sections(report: _Report) -> list[Markup | None]:
    minus, fair = dict(report.get("minus", {})), report.get("fairness")
    if verdict.is_baseline(report):
        minus.pop("baseline", None)
    models = report["models"]
    served, base = models["recommender"], models["baseline"]
    return [
        _section(
            "Recalibration", *recalibration_section.render_recalibration(report["recalibration"])
        )
        if "recalibration" in report
        else None,
        _section(
            "Metrics",
            tables.metrics(report, minus.get("baseline", {})),
            _uncertainty(report),
            tables.champion(report["champion"]) if "champion" in report else None,
            figures.side_by_side(
                figures.gains(minus.get("baseline", {}), "the regression"),
                figures.gains(minus.get("popularity", {}), "popularity"),
                figures.gains(minus.get("champion", {}), "the champion"),
            ),
        ),
        _section("Simple recommenders", *peers_section.render_peers(report["peers"]))
        if "peers" in report
        else None,
        _section(
            "Training and calibration",
            figures.side_by_side(
                figures.learning_curve(report.get("learning", {})),
                figures.reliability(
                    report.get("reliability", []), report.get("baselineReliability", [])
                ),
            ),
        ),
        _section("Label", *label_section.render_label(report["label"]))
        if "label" in report
        else None,
        _section("Explored places", *exploration_section.render_exploration(report["offPolicy"]))
        if "offPolicy" in report
        else None,
        _section("Search", *search_section.render_search(report["search"]))
        if "search" in report
        else None,
        _section("Variants of the graph", *variants_section.render_variants(report["variants"]))
        if "variants" in report
        else None,
        _section("Data", *checks_section.render_checks(report["dataChecks"]))
        if "dataChecks" in report
        else None,
        _users(report, fair, served, base) if fair else None,
        _items(report, fair, served, base) if fair else None,
        _section(
            "Mitigation", *mitigation_section.render_mitigation(report.get("mitigation", {}))
        ),
        _section("How it was measured", *_method(report)),
    ]


def _users(report: _Report, fair: _Report, served: _Report, base: _Report) -> Markup | None:
    theirs = {entry["name"]: entry["auc"] for entry in base["segments"]}
    spread = [
        _spread(str(entry["name"]), entry["auc"])
        for entry in fair["dimensions"]
        if entry["auc"] is not None
    ]
    note = (
        "Grey: fewer than 100 rows or 20 rows of a class, too few for a conclusion. No interval: "
        "fewer than 10 users."
    )
    return _section(
        "User segments",
        *[tag("p", sentence) for sentence in spread],
        figures.segments(fair["segments"], theirs, report["metrics"]["auc"]),
        tables.segments(fair["segments"], served["segments"]),
        tag("p", note, class_="note"),
    )


def _spread(dimension: str, entry: _Report) -> str:
    return (
        f"Largest difference of the AUC by {dimension}: {words.number(entry['difference'])}, "
        f"from {words.segment(entry['lowest'])} to {words.segment(entry['highest'])}."
    )


def _items(report: _Report, fair: _Report, served: _Report, base: _Report) -> Markup | None:
    shown = fair["exposure"]["recommender"]
    gap = fair["exposureGap"]
    sentence = (
        f"To match the demand, {words.share(gap['recommender'])} of the model's exposure would "
        f"have to move between categories, and {words.share(gap['popularity'])} of the popularity "
        "list's."
    )
    return _section(
        "Items: popularity and exposure",
        tag("p", sentence) if shown else None,
        figures.side_by_side(
            figures.popularity(report.get("popularity", [])), figures.exposure(shown)
        ),
        tables.item_groups(served["itemGroups"], base["itemGroups"], shown),
    )


def _uncertainty(report: _Report) -> Markup | None:
    method = report.get("uncertainty")
    if method is None:
        return None
    return tag(
        "p",
        f"Small print below a value is its {100 * method['level']:.0f} % interval: "
        f"{method['method']}, {words.count(method['resamples'])} resamples of "
        f"{words.count(method['users'])} users, seed {method['seed']}. Differences are paired: "
        "both models use the same resamples.",
        class_="note",
    )


def _method(report: _Report) -> list[Markup]:
    windows, ranked = report["windows"], report["ranking"]
    sentences = (
        f"Split in time: {words.count(windows['trainRows'])} interactions for training, "
        f"{words.count(windows['validationRows'])} for validation, "
        f"{words.count(windows['testRows'])} for the test, used once.",
        f"Lists: {ranked['protocol']}; {words.count(ranked['requests'])} requests, without "
        "sampling.",
        *([f"No list is measured: {ranked['message']}."] if "message" in ranked else []),
        "Exposure weights a list position by 1 / log2(rank + 1). An item of several categories "
        "counts for each in equal parts. Novelty is the mean of -log2 of an item's share of past "
        "interactions.",
    )
    return [tag("p", sentence) for sentence in sentences]


def _lineage(report: _Report, lineage: _Report, digest: str | None) -> Markup | None:
    files: Sequence[Mapping[str, Any]] = lineage.get("files", [])
    settings = json.dumps(lineage.get("hyperparameters"), sort_keys=True)
    fault = report.get("fault")
    pairs: list[tuple[str, Child]] = [
        ("Artifact", _code(digest)),
        ("Data version", _code(report.get("dataVersion"))),
        ("Code version", _code(lineage.get("codeVersion"))),
        ("Algorithm", str(report["algorithm"])),
        ("Seed", str(report["seed"])),
        ("Threads", str(lineage.get("threads", ""))),
        ("Variant", str(lineage.get("variant", "")) or None),
        ("Settings", _code(settings if lineage.get("hyperparameters") else None)),
        ("Precision", _precision(report.get("precision"))),
        ("Embeddings", _embeddings(report.get("embeddings"))),
        ("PyTorch, Python", f"{lineage.get('torch', '')}, {lineage.get('python', '')}"),
        ("Injected fault", _code(json.dumps(fault, sort_keys=True)) if fault else None),
    ]
    listed = tables.table(
        ["File", "Bytes", "SHA-256"],
        [
            tables.row(
                str(each["path"]), words.count(each["bytes"]), _code(str(each["sha256"])[:16])
            )
            for each in files
        ],
    )
    return _section("Lineage", tables.facts(pairs), listed if files else None)


def _precision(entry: _Report | None) -> str | None:
    return f"{entry['chosen']} ({entry['requested']}: {entry['reason']})" if entry else None


def _embeddings(entry: _Report | None) -> str | None:
    """Size and updates of the tables of users and items; None in reports of earlier releases."""
    if not entry or not entry["tables"]:
        return None
    tables = ", ".join(
        f"{each['model']} {each['name']} {words.count(each['rows'])} x {each['width']} "
        f"({each['updates']}{_sharing(each)})"
        for each in entry["tables"]
    )
    return f"{tables}; at most {words.count(round(entry['peakBytes'] / 1e6))} MB during the fits"


def _sharing(table: _Report) -> str:
    shared = table.get("sharingIds", 0)
    return f", {words.count(shared)} ids share rows" if shared else ""


def _code(value: object) -> Markup | None:
    return None if value is None else tag("code", str(value))
