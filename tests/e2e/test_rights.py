"""The operator's requests in all other end-to-end tests, compared with its rights.

It runs last, when the API server's audit log contains every story.
"""

from __future__ import annotations

import datetime
import json

import pytest

from tests.cluster import api, settings
from tests.scenario import audit, install, rights

pytestmark = pytest.mark.e2e

#: Maximum duration of a run of all tests; older lines of the log are from another run.
RUN = datetime.timedelta(minutes=90)


def test_given_all_stories_when_they_end_then_every_right_was_used_and_none_was_missing() -> None:
    cluster = api.find_up()
    if cluster is None or cluster.kubeconfig != settings.cluster_layout().kubeconfig:
        pytest.skip("tests can read only the audit log of the local cluster")
    deployment = json.loads(
        cluster.kubectl(
            "-n", install.SYSTEM_NAMESPACE, "get", "deployment", "-o", "json",
            "-l", f"app.kubernetes.io/instance={install.RELEASE}",
        )
    )["items"][0]  # fmt: skip
    account = deployment["spec"]["template"]["spec"]["serviceAccountName"]
    rules = rights.rules_of(cluster, install.SYSTEM_NAMESPACE, account)
    user = f"system:serviceaccount:{install.SYSTEM_NAMESPACE}:{account}"
    since = datetime.datetime.now(datetime.UTC) - RUN
    reported = audit.use(audit.lines_of(settings.cluster_layout().audit_log), user, since)
    assert reported.refused == ()
    assert audit.superfluous(audit.given(rules), reported.rights, rights.SELDOM) == []
