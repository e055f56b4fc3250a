"""CEL rules of the features and the label that `spec.data.source.mapping` declares.

The check Job has the same rules (`recommender_training.config.feature_schema`).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from recommender_contract.features import LISTS, MOST_LISTED, ONLY, PER_ROW, RESERVED, Kind
from recommender_operator.api import rules_label

Pairs = tuple[tuple[str, str], ...]
TABLES = ("users", "items", "interactions")
#: For the default of maxPerRow, see `rules.py`.
_LISTED = (
    (
        "self.map(f, has(f.length) ? f.length : f.kind != 'MultiCategorical' ? 0 : "
        f"has(f.maxPerRow) ? f.maxPerRow : {PER_ROW}).sum() <= {MOST_LISTED}",
        "maxPerRow of MultiCategorical and length of Embedding in mapping.interactions.features "
        f"must sum to at most {MOST_LISTED}, which an event has room for: remove a feature, or "
        "shorten it",
    ),
)
_NUMBER = r"^[+-]?([0-9]{1,20}([.][0-9]*)?|[.][0-9]+)([eE][+-]?[0-9]{1,3})?$"


def rules() -> dict[str, Pairs]:
    """Return the rules by path below `source.mapping`."""
    found: dict[str, Pairs] = {"": (*_between_tables(), *rules_label.BETWEEN)}
    found |= rules_label.rules()
    for table in TABLES:
        path = f"{table}.features"
        where = f"mapping.{path}"
        if table == "interactions":
            found[path] = _LISTED
        found[f"{path}[]"] = (*_of_each(where), *_of_table(table, where))
    return found


def _of_each(where: str) -> Iterator[tuple[str, str]]:
    """Yield the rules of a feature of any table."""
    yield (
        f"!(self.name in {_listed(RESERVED)})",
        f"name in {where} is taken by a field of the tables or requests: choose another name, "
        "and set column",
    )
    for setting, kinds in ONLY.items():
        yield (
            f"!has(self.{setting}) || self.kind in {_listed(kinds)}",
            f"{setting} in {where} requires kind {' or '.join(kinds)}",
        )
    yield (
        "!has(self.hashBuckets) || !has(self.maxCategories)",
        f"hashBuckets and maxCategories in {where} are mutually exclusive: set only one of them",
    )
    yield (
        "!has(self.hashBuckets) || !(has(self.fairness) && self.fairness) && "
        "!(has(self.segments) && self.segments) && !(has(self.coldStart) && self.coldStart)",
        f"hashBuckets in {where} excludes fairness, segments and coldStart, which need "
        "categories: buckets mix them",
    )
    yield (
        "self.kind != 'Embedding' || has(self.length)",
        f"kind Embedding in {where} requires length, how many numbers it has",
    )
    yield (
        "!has(self.edges) || !has(self.bands)",
        f"edges and bands in {where} are mutually exclusive: set only one of them",
    )
    yield (
        "!has(self.edges) || !has(self.transform)",
        f"edges and transform in {where} are mutually exclusive: set only one of them",
    )
    yield (
        "!has(self.edges) || self.edges.isSorted() && "
        "self.edges.all(e, self.edges.exists_one(f, f == e))",
        f"edges in {where} must be strictly increasing",
    )
    yield (
        "!has(self.minimum) || !has(self.maximum) || self.minimum < self.maximum",
        f"minimum in {where} must be below maximum",
    )
    yield (
        "!has(self.edges) || (!has(self.minimum) || self.minimum < self.edges[0]) && "
        "(!has(self.maximum) || self.edges[self.edges.size() - 1] <= self.maximum)",
        f"edges in {where} must be above minimum and not above maximum",
    )
    yield (
        "self.kind != 'Timestamp' || !has(self.edges) || self.edges[0] > 0.0",
        f"edges in {where} must be above 0 for a Timestamp: they are ages in days",
    )
    yield (
        "self.kind != 'Embedding' || !has(self.fairness) || !self.fairness",
        f"fairness in {where} requires categories or bands, which Embedding does not have",
    )
    yield (
        f"!(self.kind in {_listed(LISTS)}) || !has(self.segments) || !self.segments",
        f"segments in {where} requires one category or band, which MultiCategorical and "
        "Embedding do not have",
    )
    yield (
        f"!(self.kind in {_listed(LISTS)} || self.kind == 'Timestamp' && "
        "!has(self.calendar)) || !has(self.coldStart) || !self.coldStart",
        f"coldStart in {where} requires one value that time does not change, which "
        "MultiCategorical, Embedding and Timestamp without calendar do not have",
    )
    yield (
        "!has(self.calendar) || !has(self.edges) && !has(self.bands)",
        f"calendar in {where} excludes edges and bands, which are settings of the age",
    )
    yield (
        "!has(self.calendar) || !has(self.unit) || self.unit != 'Year'",
        f"calendar in {where} excludes the unit Year, which has no hours, weekdays or months",
    )
    yield (
        "!has(self.timeZone) || has(self.calendar)",
        f"timeZone in {where} requires calendar: an age is the same in every time zone",
    )


def _of_table(table: str, where: str) -> Iterator[tuple[str, str]]:
    """Yield the rules of a feature of one table."""
    if table != "items":
        yield (
            "self.kind != 'MultiCategorical' || !has(self.fairness) || !self.fairness",
            f"fairness in {where} requires one category a row, which a MultiCategorical does not "
            "have",
        )
        yield (
            "!has(self.separator) || !self.separator.contains('-')",
            f"separator in {where} must not contain '-', which whitespace in a category becomes: "
            "write lists, or another separator such as '|'",
        )
    else:
        yield from _of_items(where)
    if table != "interactions":
        yield (
            "!has(self.servedAs)",
            f"servedAs is not a setting of {where}: only the context of an event is unknown at "
            "serving",
        )
    else:
        yield from _served(where)


def _served(where: str) -> Iterator[tuple[str, str]]:
    """Yield the rules of the value of a feature at serving."""
    yield (
        "!has(self.servedAs) || self.kind != 'Timestamp'",
        f"servedAs in {where} is not a setting of a Timestamp: no time fits every request",
    )
    yield (
        f"!has(self.servedAs) || !(self.kind in {_listed(LISTS)})",
        f"servedAs in {where} is one value, which MultiCategorical and Embedding do not have",
    )
    yield (
        "!has(self.servedAs) || self.kind != 'Boolean' || self.servedAs in ['false', 'true']",
        f"servedAs in {where} must be true or false for a Boolean",
    )
    yield (
        f"!has(self.servedAs) || self.kind != 'Numeric' || self.servedAs.matches(r'{_NUMBER}') && "
        "(!has(self.minimum) || double(self.servedAs) >= self.minimum) && "
        "(!has(self.maximum) || double(self.servedAs) <= self.maximum)",
        f"servedAs in {where} must be a number from minimum to maximum for a Numeric",
    )


def _of_items(where: str) -> Iterator[tuple[str, str]]:
    """Yield the rules of a feature of items."""
    yield (
        "self.kind != 'Timestamp' || has(self.calendar) || !has(self.edges) && "
        "!has(self.bands) && !(has(self.fairness) && self.fairness)",
        f"edges, bands and fairness of a Timestamp are not settings of {where}: only the age "
        "of users and interactions has bands",
    )
    yield (
        "!has(self.coldStart) || !self.coldStart",
        f"coldStart is not a setting of {where}: popularity lists depend on users",
    )
    yield (
        "!has(self.segments) || !self.segments",
        f"segments is not a setting of {where}: experiments and labels divide users",
    )
    yield (
        "!has(self.maxPerRow)",
        f"maxPerRow is not a setting of {where}: items may have any number of categories",
    )


def _between_tables() -> Iterator[tuple[str, str]]:
    """Yield the rules about names of several tables."""
    for one, other in (("users", "items"), ("users", "interactions"), ("items", "interactions")):
        yield (
            f"{_absent(one)} || {_absent(other)} || self.{one}.features.all(f, "
            f"!self.{other}.features.exists(g, g.name == f.name))",
            f"a feature of mapping.{one} and one of mapping.{other} must not have the same name: "
            "rename one, and set its column",
        )
    for table in ("users", "interactions"):
        yield (
            f"{_absent(table)} || {_absent('items')} || self.{table}.features.all(f, "
            "!self.items.features.exists(g, 'last_' + g.name == f.name))",
            f"a feature of mapping.{table} must not be named last_ and a feature of items: drift "
            "metrics use this name",
        )


def _absent(table: str) -> str:
    """Return an expression that is true if a table has no features."""
    if table == "interactions":
        return "!has(self.interactions.features)"
    return f"!has(self.{table}) || !has(self.{table}.features)"


def _listed(names: Iterable[str | Kind]) -> str:
    """Return a CEL list of strings."""
    return "[" + ", ".join(f"'{name}'" for name in names) + "]"
