"""CEL rules of `spec.training.search`, including the limits of each hyperparameter."""

from __future__ import annotations

from collections.abc import Iterator

from recommender_contract.resource.hyperparameters import Hyperparameters

#: Hyperparameters without a default search range; the spec must give the whole range.
WITHOUT_DEFAULT_RANGE = ("epochs", "patience")

_BOUNDS = (
    ("minimum", ">=", "at least"),
    ("exclusiveMinimum", ">", "above"),
    ("maximum", "<=", "at most"),
    ("exclusiveMaximum", "<", "below"),
)

TRAINING = (
    (
        "!has(self.search) || !has(self.algorithm) || self.algorithm == 'DeepRanker'",
        "training.search requires training.algorithm DeepRanker: the logistic regression has no "
        "hyperparameters",
    ),
    (
        "!has(self.search) || !has(self.search.seconds) || !has(self.deadlineSeconds) || "
        "self.search.seconds < self.deadlineSeconds",
        "training.search.seconds must be below training.deadlineSeconds, the deadline of the Job",
    ),
)


def space() -> tuple[tuple[str, str], ...]:
    """Return the rules of `spec.training.search.space`."""
    fields = Hyperparameters.model_fields.values()
    names = sorted(str(field.alias) for field in fields if field.annotation in (int, float))
    known = ", ".join(names)
    return (
        (
            f"self.all(k, k in {names})",
            f"training.search.space may contain only these hyperparameters: {known}",
        ),
        (
            "self.all(k, !has(self[k].choices) || "
            "!has(self[k].min) && !has(self[k].max) && !has(self[k].log))",
            "a hyperparameter of training.search.space must have either choices, or min and max",
        ),
        (
            "self.all(k, !has(self[k].min) || !has(self[k].max) || self[k].min < self[k].max)",
            "min of training.search.space must be below max",
        ),
        (
            "self.all(k, !has(self[k].log) || !self[k].log || !has(self[k].min) || "
            "self[k].min > 0.0)",
            "log in training.search.space requires a min above 0",
        ),
        (
            f"self.all(k, !(k in {list(WITHOUT_DEFAULT_RANGE)}) || has(self[k].choices) || "
            "has(self[k].min) && has(self[k].max))",
            f"{' and '.join(WITHOUT_DEFAULT_RANGE)} of training.search.space require min and max, "
            "or choices",
        ),
        *_limits(),
    )


def _limits() -> Iterator[tuple[str, str]]:
    for name, schema in sorted(Hyperparameters.model_json_schema()["properties"].items()):
        bounds = [(sign, word, schema[key]) for key, sign, word in _BOUNDS if key in schema]
        if not bounds:
            continue

        def within(value: str, bounds: list[tuple[str, str, float]] = bounds) -> str:
            return " && ".join(f"{value} {sign} {float(end)!r}" for sign, _, end in bounds)

        place = f"self['{name}']"
        rule = (
            f"!('{name}' in self) || "
            f"(!has({place}.min) || {within(f'{place}.min')}) && "
            f"(!has({place}.max) || {within(f'{place}.max')}) && "
            f"(!has({place}.choices) || {place}.choices.all(c, {within('c')}))"
        )
        words = " and ".join(f"{word} {end:g}" for _, word, end in bounds)
        yield rule, f"{name} of training.search.space must be {words}"
