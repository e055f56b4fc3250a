"""CEL rules of `resources`: names of resources, and requests within their limits."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from recommender_operator.api.spec_resources import GPU, Resources

Rule = tuple[str, str] | tuple[str, str, str]


def rules(path: str, kind: type[Resources]) -> Mapping[str, Sequence[Rule]]:
    """Return the rules of the resources at a path, such as `spec.serving.resources`."""
    field = path.removeprefix("spec.")
    limits = [_known(f"{field}.limits", kind.limited)]
    if GPU in kind.limited:
        limits.append(
            (
                f"!('{GPU}' in self) || string(self['{GPU}']) in ['0', '1']",
                f"{field}.limits {GPU} must be 1 or absent: a pod trains one model on one GPU",
                f"'{field}.limits {GPU} ' + string(self['{GPU}']) + ' is above 1: a pod trains "
                "one model on one GPU, set 1 or remove it'",
            )
        )
    return {
        path: [_within(field, name) for name in Resources.limited],
        f"{path}.requests": (_known(f"{field}.requests", Resources.limited),),
        f"{path}.limits": limits,
    }


def _known(field: str, names: Sequence[str]) -> Rule:
    listed = "[" + ", ".join(f"'{name}'" for name in names) + "]"
    takes = f"{field} takes {', '.join(names)}"
    return (
        f"self.all(k, k in {listed})",
        f"{takes}: remove other resources",
        f"'{field} ' + self.filter(k, !(k in {listed}))[0] + ' is not for a model to set: remove "
        f"it. {takes}'",
    )


def _within(field: str, name: str) -> Rule:
    request, limit = (f"string(self.{part}['{name}'])" for part in ("requests", "limits"))
    has = f"!has(self.requests) || !has(self.limits) || !('{name}' in self.requests) || "
    return (
        f"{has}!('{name}' in self.limits) || "
        f"!quantity({request}).isGreaterThan(quantity({limit}))",
        f"{field}.requests.{name} must not be above limits.{name}: lower the request or raise "
        "the limit",
        f"'{field}.requests.{name} ' + {request} + ' is above limits.{name} ' + {limit} + "
        "': lower the request or raise the limit'",
    )
