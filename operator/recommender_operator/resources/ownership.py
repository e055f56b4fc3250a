"""Whose an object is. The operator writes what the model's uid controls, and nothing else.

An object is controlled by the owner reference with `controller: true`, of which the API server
takes one at most. A name alone proves nothing: anybody may have created an object of that name.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Collection

from recommender_operator.api.base import GROUP
from recommender_operator.observed import ModelObject
from recommender_operator.resources import labels, names
from recommender_operator.resources.labels import Manifest

#: Owners that a message lists.
MAX_OWNERS = 3
_PREFIX = f"{GROUP}/"


@dataclasses.dataclass(frozen=True, kw_only=True, order=True)
class Foreign:
    """An object that the operator would have to write, and that is not the model's."""

    kind: str
    namespace: str
    name: str
    owner: str

    @property
    def message(self) -> str:
        """What it is, whose it is, and what a person can do."""
        return (
            f"{self.kind} {self.namespace}/{self.name} belongs to another ({self.owner}) and is "
            f"left as it is. Rename the model, or delete or move the {self.kind}"
        )


def controller_of(thing: Manifest) -> Manifest | None:
    """Return the owner reference of the controller of an object, if it has one."""
    return next((owner for owner in _owners(thing) if owner.get("controller")), None)


def owned_by(thing: Manifest, uids: Collection[str]) -> bool:
    """Whether one of the uids controls an object."""
    controller = controller_of(thing)
    return controller is not None and controller.get("uid") in uids


def foreign(kind: str, thing: Manifest) -> Foreign:
    """Describe an object that is not the model's."""
    metadata, controller = thing["metadata"], controller_of(thing)
    if controller is not None:
        owner = f"its controller is {_called(controller)}"
    elif owners := _owners(thing):
        listed = ", ".join(_called(owner) for owner in owners[:MAX_OWNERS])
        owner = f"no controller; owned by {listed}"
    else:
        owner = "no owner"
    return Foreign(kind=kind, namespace=metadata["namespace"], name=metadata["name"], owner=owner)


def is_orphan(version: Manifest) -> bool:
    """Whether no RecommenderModel, or nothing at all, owns a ModelVersion."""
    return controller_of(version) is None and not any(
        str(owner.get("apiVersion", "")).startswith(_PREFIX) for owner in _owners(version)
    )


def may_be_adopted(version: Manifest, model: ModelObject) -> bool:
    """Whether an orphaned ModelVersion is one that the operator made for this model.

    Its spec names the model, and its name and labels are those that the operator gives to it.
    """
    metadata, spec = version["metadata"], version.get("spec") or {}
    name = metadata["name"]
    given = metadata.get("labels") or {}
    wanted = labels.of_version(model.name, name)
    return (
        is_orphan(version)
        and spec.get("model") == model.name
        and name == names.version_name(model.name, str(spec.get("specHash", "")))
        and all(given.get(key) == value for key, value in wanted.items())
    )


def _owners(thing: Manifest) -> list[Manifest]:
    return thing["metadata"].get("ownerReferences") or []


def _called(owner: Manifest) -> str:
    return f"{owner.get('kind')}/{owner.get('name')}"
