"""What the kubelet's page of probes says about the pods of a namespace."""

from __future__ import annotations

from tests.scenario import kubelet

PAGE = """\
# HELP prober_probe_total [BETA] Cumulative number of a probe for a container by result.
# TYPE prober_probe_total counter
prober_probe_total{container="a",namespace="shop",pod="one",pod_uid="1",probe_type="Readiness",result="successful"} 3
prober_probe_total{container="a",namespace="shop",pod="two",pod_uid="2",probe_type="Readiness",result="failed"} 1
prober_probe_total{container="a",namespace="shop",pod="three",pod_uid="3",probe_type="Startup",result="successful"} 1
prober_probe_total{container="a",namespace="news",pod="four",pod_uid="4",probe_type="Readiness",result="successful"} 1
"""  # noqa: E501


def test_a_pod_is_ready_after_a_successful_readiness_probe_of_this_kubelet() -> None:
    assert kubelet.ready_pods(PAGE, "shop") == {"one"}
    assert kubelet.ready_pods(PAGE, "news") == {"four"}
