"""CEL rules of `spec.training.search`; those of each hyperparameter come from its own limits."""

from __future__ import annotations

from collections.abc import Iterator

from recommender_operator.api.spec_training import Hyperparameters

#: Hyperparameters without a declared range to search in: a range has to be given in full.
UNDECLARED = ("epochs", "patience")

_BOUNDS = (
    ("minimum", ">=", "at least"),
    ("exclusiveMinimum", ">", "above"),
    ("maximum", "<=", "at most"),
    ("exclusiveMaximum", "<", "below"),
)

TRAINING = (
    (
        "!has(self.search) || !has(self.algorithm) || self.algorithm == 'DeepRanker'",
        "training.search needs training.algorithm DeepRanker: the logistic regression has no "
        "hyperparameters",
    ),
    (
        "!has(self.search) || !has(self.search.seconds) || !has(self.deadlineSeconds) || "
        "self.search.seconds < self.deadlineSeconds",
        "training.search.seconds must be below training.deadlineSeconds, which ends the Job",
    ),
)


def space() -> tuple[tuple[str, str], ...]:
    """Return the rules of the map `space`."""
    fields = Hyperparameters.model_fields.values()
    names = sorted(str(field.alias) for field in fields if field.annotation in (int, float))
    known = ", ".join(names)
    return (
        (
            f"self.all(k, k in {names})",
            f"training.search.space may name these hyperparameters: {known}",
        ),
        (
            "self.all(k, !has(self[k].choices) || "
            "!has(self[k].min) && !has(self[k].max) && !has(self[k].log))",
            "a hyperparameter of training.search.space has either choices, or min and max",
        ),
        (
            "self.all(k, !has(self[k].min) || !has(self[k].max) || self[k].min < self[k].max)",
            "min of training.search.space must be below max",
        ),
        (
            "self.all(k, !has(self[k].log) || !self[k].log || !has(self[k].min) || "
            "self[k].min > 0.0)",
            "a logarithmic scale of training.search.space needs a min above 0",
        ),
        (
            f"self.all(k, !(k in {list(UNDECLARED)}) || has(self[k].choices) || "
            "has(self[k].min) && has(self[k].max))",
            f"{' and '.join(UNDECLARED)} of training.search.space need min and max, or choices",
        ),
        *_limits(),
    )


def _limits() -> Iterator[tuple[str, str]]:
    for name, schema in sorted(Hyperparameters.model_json_schema()["properties"].items()):
        bounds = [(sign, word, schema[key]) for key, sign, word in _BOUNDS if key in schema]
        if not bounds:
            continue

        def held(value: str, bounds: list[tuple[str, str, float]] = bounds) -> str:
            return " && ".join(f"{value} {sign} {float(end)!r}" for sign, _, end in bounds)

        place = f"self['{name}']"
        rule = (
            f"!('{name}' in self) || "
            f"(!has({place}.min) || {held(f'{place}.min')}) && "
            f"(!has({place}.max) || {held(f'{place}.max')}) && "
            f"(!has({place}.choices) || {place}.choices.all(c, {held('c')}))"
        )
        words = " and ".join(f"{word} {end:g}" for _, word, end in bounds)
        yield rule, f"{name} of training.search.space must be {words}"
