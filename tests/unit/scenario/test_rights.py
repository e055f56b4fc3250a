"""What the end-to-end test of rights excuses, against the rights that the chart gives."""

from __future__ import annotations

from tests.chart import of_kind
from tests.scenario import audit, rights


def test_only_rights_that_the_chart_gives_are_excused() -> None:
    roles = of_kind("everything", "ClusterRole", "Role")
    given = {right for role in roles for right in audit.given(role["rules"])}
    assert set(rights.SELDOM) - given == set()
