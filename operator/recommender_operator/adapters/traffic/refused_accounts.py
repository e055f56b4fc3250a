"""The service account of a template that is written while the installation refuses the spec's.

In Knative mode each write, also one that takes requests from a bad version, has the whole
template. With a refused account it could be rejected, or start pods as that account.
"""

from __future__ import annotations

from recommender_operator.api import service_accounts
from recommender_operator.controller.kube import Object
from recommender_operator.observed import ModelObject
from recommender_operator.resources import labels
from recommender_operator.resources.options import Options

_ACCOUNT = "serviceAccountName"


def keep_stored(
    manifest: Object, stored: Object | None, model: ModelObject, options: Options
) -> None:
    """Give a manifest the account of the stored object if that of the spec is refused.

    It also keeps the digest of the settings, so that the account is applied once it is allowed.
    """
    placed = model.spec.serving.scheduling
    wanted = placed.service_account_name if placed is not None else None
    if not service_accounts.refusal("", wanted, model.namespace, options.service_accounts):
        return
    was: Object = stored or {"metadata": {}, "spec": {"predictor": {}}}
    _copy(_ACCOUNT, was["spec"]["predictor"], manifest["spec"]["predictor"])
    notes = was["metadata"].get("annotations") or {}
    _copy(labels.SERVING_DIGEST, notes, manifest["metadata"]["annotations"])


def _copy(key: str, source: Object, target: Object) -> None:
    target.pop(key, None)
    if key in source:
        target[key] = source[key]
