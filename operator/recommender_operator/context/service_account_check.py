"""Check that the installation allows the service accounts of a spec.

With a refused account no Job starts, or no version is deployed or changed: to run without the
account would fail later, and with less to read. What already serves continues.
"""

from __future__ import annotations

import dataclasses

from recommender_operator.actions import Action, EnsureService, StartJob
from recommender_operator.api import service_accounts
from recommender_operator.api.spec_scheduling import Scheduling
from recommender_operator.observed import JobKind, Observed


@dataclasses.dataclass(frozen=True)
class Accounts:
    """The reason that an account is refused, and the remedy; empty if it is allowed."""

    training: str = ""
    serving: str = ""

    def stop(self, action: Action) -> bool:
        """Return whether an action must wait; a removal uses no account."""
        if isinstance(action, StartJob):
            return bool(self.training) and action.kind is not JobKind.REMOVE
        return bool(self.serving) and isinstance(action, EnsureService)

    @property
    def messages(self) -> tuple[str, ...]:
        """The refusals, with what waits for them."""
        waits = (
            (self.training, "No Job starts until then"),
            (self.serving, "No version is deployed or changed until then"),
        )
        return tuple(f"{refusal}. {effect}" for refusal, effect in waits if refusal)


def check_service_accounts(observed: Observed) -> Accounts:
    """Return the refused accounts of a spec."""
    spec = observed.model.spec
    return Accounts(
        training=_refusal(observed, "training", spec.training.scheduling),
        serving=_refusal(observed, "serving", spec.serving.scheduling),
    )


def _refusal(observed: Observed, section: str, wanted: Scheduling | None) -> str:
    if wanted is None:
        return ""
    return service_accounts.refusal(
        f"{section}.scheduling.serviceAccountName",
        wanted.service_account_name,
        observed.model.namespace,
        observed.platform.service_accounts,
    )
