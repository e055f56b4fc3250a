"""Check the pod templates of a spec, and that the installation allows their service accounts.

With a refused template no Job starts, or no version is deployed or changed: to run without its
fields would fail later, and with less to read. What already serves continues.
"""

from __future__ import annotations

import dataclasses

from recommender_operator.actions import Action, EnsureService, StartJob
from recommender_operator.api import pod_scheduling, service_accounts
from recommender_operator.api.conditions import Reason
from recommender_operator.api.spec_pod_template import PodTemplate
from recommender_operator.observed import JobKind, Observed


@dataclasses.dataclass(frozen=True)
class Refusal:
    """The reason that a pod template is refused, and the remedy."""

    reason: Reason
    message: str


@dataclasses.dataclass(frozen=True)
class PodTemplates:
    """The refusals of both pod templates; None if one can be used."""

    training: Refusal | None = None
    serving: Refusal | None = None

    def stop(self, action: Action) -> bool:
        """Return whether an action must wait; a removal uses only what is valid."""
        if isinstance(action, StartJob):
            return self.training is not None and action.kind is not JobKind.REMOVE
        return self.serving is not None and isinstance(action, EnsureService)

    @property
    def messages(self) -> list[tuple[Reason, str]]:
        """Reasons and messages of the refusals, with what waits for them."""
        waits = (
            (self.training, "No Job starts until then"),
            (self.serving, "No version is deployed or changed until then"),
        )
        return [(found.reason, f"{found.message}. {effect}") for found, effect in waits if found]


def check_pod_templates(observed: Observed) -> PodTemplates:
    """Return the refusals of the pod templates of a spec."""
    spec = observed.model.spec
    return PodTemplates(
        training=_refusal(observed, "training", spec.training.pod_template),
        serving=_refusal(observed, "serving", spec.serving.pod_template),
    )


def _refusal(observed: Observed, section: str, wanted: PodTemplate | None) -> Refusal | None:
    field = f"{section}.podTemplate"
    if invalid := pod_scheduling.refusal(field, wanted):
        return Refusal(Reason.INVALID_POD_TEMPLATE, invalid)
    if wanted is None or wanted.spec is None:
        return None
    refused = service_accounts.refusal(
        f"{field}.spec.serviceAccountName",
        wanted.spec.service_account_name,
        observed.model.namespace,
        observed.platform.service_accounts,
    )
    return Refusal(Reason.SERVICE_ACCOUNT_NOT_ALLOWED, refused) if refused else None
