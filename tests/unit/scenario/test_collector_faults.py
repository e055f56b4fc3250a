"""How much a model uses the store and the collector, by a transformer's page of metrics."""

from __future__ import annotations

from tests.scenario import collector_faults

PAGE = """\
# HELP recommender_history_lookups_total Reads of the online store, by outcome.
# TYPE recommender_history_lookups_total counter
recommender_history_lookups_total{model="a",version="a-1",outcome="found"} 3.0
recommender_history_lookups_total{model="a",version="a-1",outcome="nothing"} 40.0
recommender_history_lookups_total{model="a",version="a-1",outcome="timeout"} 1.0
# HELP transformer_impressions_total Impressions to report to the collector, by outcome.
# TYPE transformer_impressions_total counter
transformer_impressions_total{model="a",version="a-1",outcome="durable"} 44.0
"""


def test_a_counter_is_read_by_outcome() -> None:
    reads = collector_faults.of_page(PAGE, collector_faults.READS)
    assert reads == {"found": 3, "nothing": 40, "timeout": 1}
    assert collector_faults.of_page(PAGE, collector_faults.IMPRESSIONS) == {"durable": 44}
    assert collector_faults.of_page("", collector_faults.READS) == {}
