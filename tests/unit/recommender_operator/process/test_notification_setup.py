"""The notifications of the settings."""

from __future__ import annotations

from recommender_operator.adapters.notifications.http_post import HttpPoster
from recommender_operator.metrics.operator_metrics import Metrics
from recommender_operator.process import notification_setup
from recommender_operator.process.settings import load
from tests.fakes.kube import NOW, FakeKube
from tests.unit.recommender_operator.test_edges import ENVIRONMENT


async def test_each_receiver_is_counted_from_0_on() -> None:
    metrics = Metrics()
    receivers = '[{"name": "ops", "type": "Slack"}, {"name": "ci", "type": "Webhook"}]'
    settings = load(ENVIRONMENT | {"RECOMMENDER_NOTIFICATIONS": receivers})
    async with HttpPoster.session() as session:
        notification_setup.notifier(settings, FakeKube(), session, metrics, lambda: NOW)
    for receiver in ("ops", "ci"):
        for result in ("delivered", "retried", "failed", "dropped"):
            labels = {"receiver": receiver, "result": result}
            name = "recommender_operator_notifications_total"
            assert metrics.registry.get_sample_value(name, labels) == 0
