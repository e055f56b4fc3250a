"""The way of a version from its data to what serves."""

from __future__ import annotations

from recommender_console.markup import Child, Markup, tag
from recommender_console.object_details import SeenVersion
from recommender_console.pages import parts
from recommender_kubectl.objects import Model


def render(seen: SeenVersion, model: Model) -> Markup:
    """Return the lineage of a version, step by step, with the steps that it has not reached."""
    version = seen.version
    training: list[tuple[str, Child]] = [
        ("algorithm", str(version.training.get("algorithm", ""))),
        ("code", version.code_version),
        ("seed", None if version.seed is None else str(version.seed)),
        ("trigger", version.trigger),
        ("search", None if seen.trials is None else parts.plural(seen.trials, "trial")),
        *_recalibrated(seen),
    ]
    return tag(
        "ol",
        _station("Data", _data(seen)),
        _station("Training", training if version.data_version else []),
        _station("Evaluation", _evaluation(seen)),
        _station("Artifact", [("path", _code(seen.artifact_path)),
                              ("digest", _code(seen.artifact_digest))]),
        _station("Serving", _serving(seen, model)),
        class_="lineage",
    )  # fmt: skip


def _station(title: str, pairs: list[tuple[str, Child]]) -> Markup:
    reached = any(value for _, value in pairs)
    return tag(
        "li",
        tag("h3", title),
        parts.facts(pairs) if reached else parts.note("not reached"),
        class_="reached" if reached else "ahead",
    )


def _recalibrated(seen: SeenVersion) -> list[tuple[str, Child]]:
    found = seen.recalibrated
    if found is None:
        return []
    return [
        ("network", f"that of {found.of}; nothing was trained"),
        ("calibration", f"log-odds × {found.slope:.3f} {found.shift:+.3f}"),
        ("labels per expected one", f"{found.ratio:.2f}, then {found.ratio_after:.2f}"),
    ]


def _data(seen: SeenVersion) -> list[tuple[str, Child]]:
    version = seen.version
    source = (version.data.get("source") or {}).get("persistentVolumeClaim") or {}
    where = "/".join(filter(None, (source.get("claimName"), source.get("path"))))
    rows = "" if version.data_rows is None else f"{version.data_rows:,}"
    aside = seen.quarantined_rows
    return [
        ("source", _code(where)),
        ("version", _code(version.data_version or "")),
        ("rows", rows),
        ("quarantined", f"{aside:,}" if aside else None),
    ]


def _evaluation(seen: SeenVersion) -> list[tuple[str, Child]]:
    gates = seen.version.gates
    if not gates:
        return []
    passed = sum(gate.passed for gate in gates)
    held = parts.badge("Pass" if passed == len(gates) else "Fail")
    smoke = seen.version.smoke_passed
    return [
        ("gates", tag("span", f"{passed} of {len(gates)} passed ", held)),
        ("smoke inference", None if smoke is None else parts.badge("Pass" if smoke else "Fail")),
    ]


def _serving(seen: SeenVersion, model: Model) -> list[tuple[str, Child]]:
    name = seen.version.name
    roles = {model.previous: "previous, kept warm", model.candidate: "candidate",
             model.champion: "champion"}  # fmt: skip
    role = roles.get(name, "")
    weights = {model.candidate: model.candidate_weight, model.champion: model.champion_weight}
    weight = weights.get(name)
    return [
        ("role", role),
        ("requests", None if weight is None else f"{weight} %"),
        ("host", _code(model.url or "") if role else None),
        ("replaced", seen.replaced),
        ("restarts", str(seen.restarts) if seen.restarts else None),
        ("withdrawals", str(seen.withdrawals) if seen.withdrawals else None),
    ]


def _code(words: str) -> Markup | None:
    return tag("code", words) if words else None
