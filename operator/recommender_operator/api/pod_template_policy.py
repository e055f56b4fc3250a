"""The admission policy of pod templates, installed with the definitions.

The definition of RecommenderModel keeps unknown fields of pod templates, nested as deep as the API
server stores them (10,000 levels). Python's parsers end at about 1,000, so one such object would
end each list of all models. The policy allows the fields of `pod_scheduling` alone, which also
bounds the depth. It holds for everybody who changes a spec, and lets other writes through, such
as the removal of a finalizer.
"""

from __future__ import annotations

import itertools
import types
import typing
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Literal, get_args, get_origin

import pydantic
from pydantic.alias_generators import to_camel

from recommender_contract.api_names import API_VERSION, GROUP
from recommender_operator.api.pod_scheduling import Affinity, PodAffinity, Toleration
from recommender_operator.api.spec_pod_template import PodMetadata, PodSpec, PodTemplate

Json = dict[str, Any]

NAME = f"podtemplates.{GROUP}"
_API = "admissionregistration.k8s.io/v1"
#: What pydantic puts around the type of a value.
_WRAPPERS = (typing.Annotated, typing.Union, types.UnionType)
_SCALARS = {str: "string", int: "int", bool: "bool"}


def policies() -> Sequence[Json]:
    """Return the policy and its binding."""
    policy: Json = {
        "apiVersion": _API,
        "kind": "ValidatingAdmissionPolicy",
        "metadata": {"name": NAME},
        "spec": {
            "failurePolicy": "Fail",
            # With the defaults of the API server: its managers own the field as a whole, so that a
            # second one, Helm beside kubectl, conflicts unless it applies what is stored.
            "matchConstraints": {
                "matchPolicy": "Equivalent",
                "namespaceSelector": {},
                "objectSelector": {},
                "resourceRules": [
                    {
                        "apiGroups": [GROUP],
                        "apiVersions": [API_VERSION],
                        "operations": ["CREATE", "UPDATE"],
                        "resources": ["recommendermodels"],
                        "scope": "*",
                    }
                ],
            },
            "matchConditions": [
                {
                    "name": "the-spec-is-new",
                    "expression": "request.operation == 'CREATE' || object.spec != oldObject.spec",
                }
            ],
            "validations": [
                validation
                for section in ("training", "serving")
                for validation in _validations(section)
            ],
        },
    }
    binding: Json = {
        "apiVersion": _API,
        "kind": "ValidatingAdmissionPolicyBinding",
        "metadata": {"name": NAME},
        "spec": {"policyName": NAME, "validationActions": ["Deny"]},
    }
    return (policy, binding)


def _validations(section: str) -> Iterator[Json]:
    field = f"{section}.podTemplate"
    at = f"object.spec.?{section}.?podTemplate"
    for path, model in (("", PodTemplate), (".metadata", PodMetadata), (".spec", PodSpec)):
        yield _only(f"{at}{path.replace('.', '.?')}", f"{field}{path}", _names(model))
    affinity = f"{at}.?spec.?affinity"
    yield _only(affinity, f"{field}.spec.affinity", _names(Affinity))
    yield {
        "expression": f"{affinity}.orValue({{}}).all(k, type({affinity}.value()[k]) == map)",
        "message": f"the parts of {field}.spec.affinity must be objects, as in a pod",
    }
    for name in ("podAffinity", "podAntiAffinity"):
        yield _own_namespace(f"{affinity}.?{name}", f"{field}.spec.affinity.{name}")
    yield _shaped(f"{at}.?spec.?tolerations", list[Toleration], f"{field}.spec.tolerations")
    for name, kind in _hints(Affinity).items():
        yield _shaped(f"{affinity}.?{name}", kind, f"{field}.spec.affinity.{name}")


def _only(at: str, field: str, names: Sequence[str]) -> Json:
    """Return the validation that an object has no fields but these."""
    listed = _list(names)
    return {
        "expression": f"{at}.orValue({{}}).all(k, k in {listed})",
        "messageExpression": f"'{field}.' + {at}.orValue({{}}).filter(k, !(k in {listed}))[0] + "
        f"' is not for a model to set: remove it. {field} takes {', '.join(names)}'",
    }


def _own_namespace(at: str, field: str) -> Json:
    """Return the validation that terms select pods of the model's namespace."""
    required, preferred = _names(PodAffinity)
    none = "!('namespaces' in {0}) && !('namespaceSelector' in {0})"
    return {
        "expression": f"{at}.?{required}.orValue([]).all(t, {none.format('t')}) && "
        f"{at}.?{preferred}.orValue([]).all(t, {none.format('t.podAffinityTerm')})",
        "message": f"a term of {field} has namespaces or namespaceSelector; remove them, it "
        "selects pods of the namespace of the model alone",
    }


def _shaped(at: str, kind: Any, field: str) -> Json:
    """Return the validation that a value, if there is one, has known fields of their types."""
    checked = _check("v", kind, (f"e{n}" for n in itertools.count()))
    return {
        "expression": f"{at}.optMap(v, {checked}).orValue(true)",
        "message": f"{field} has a field that pods of models do not take, or a value of another "
        "type: correct or remove it, as in the page on where pods run",
    }


def _check(at: str, kind: Any, names: Iterator[str]) -> str:
    """Return the expression that a value is of a kind: a model, list, map or scalar."""
    while get_origin(kind) in _WRAPPERS:
        kind = get_args(kind)[0]
    origin = get_origin(kind)
    if origin is Literal:
        return f"{at} in {_list(get_args(kind))}"
    if kind in _SCALARS:
        return f"type({at}) == {_SCALARS[kind]}"
    each = next(names)
    if origin is list:
        inner = _check(each, get_args(kind)[0], names)
        return f"type({at}) == list && {at}.all({each}, {inner})"
    if origin is dict:
        return f"type({at}) == map && {at}.all({each}, type({at}[{each}]) == string)"
    if not issubclass(kind, pydantic.BaseModel):
        raise TypeError(f"{kind}: expected a model, a list, a map or a scalar")
    parts = [f"type({at}) == map", f"{at}.all({each}, {each} in {_list(_names(kind))})"]
    for name, hint in _hints(kind).items():
        parts.append(f"(!has({at}.{name}) || ({_check(f'{at}.{name}', hint, names)}))")
    return " && ".join(parts)


def _names(model: type[pydantic.BaseModel]) -> list[str]:
    return [to_camel(name) for name in model.model_fields]


def _hints(model: type[pydantic.BaseModel]) -> Mapping[str, Any]:
    return {to_camel(name): info.annotation for name, info in model.model_fields.items()}


def _list(texts: Sequence[str]) -> str:
    return "[" + ", ".join(f"'{text}'" for text in texts) + "]"
