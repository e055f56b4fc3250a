"""A typed client of a recommender's endpoint, and of the collector of events.

from recommender_client import Client, EventClient, Query

with (
    Client("http://gateway", host="movies.default.recommender.local") as client,
    EventClient("http://recommender-operator-collector") as collector,
):
    answer = client.recommend(Query(user_id=42, top_n=5))
    print(answer.items, answer.source, answer.request_id)
    collector.send(answer.impression(), answer.click(answer.items[0]))

`AsyncClient` and `AsyncEventClient` are for asyncio. `events` has the events that are not about an
answer.
"""

from recommender_client import events
from recommender_client.clients import AsyncClient, Client
from recommender_client.errors import (
    BadAnswer,
    ClientError,
    InvalidQuery,
    Unavailable,
)
from recommender_client.event_clients import AsyncEventClient, EventClient
from recommender_client.events import UserEvent
from recommender_client.messages import Event, Query, Recommendation
from recommender_client.receipts import (
    BadReceipt,
    InvalidEvents,
    Receipt,
    Rejected,
    Undelivered,
)
from recommender_client.retries import Retries
from recommender_contract.events import Kind

__all__ = [
    "AsyncClient",
    "AsyncEventClient",
    "BadAnswer",
    "BadReceipt",
    "Client",
    "ClientError",
    "Event",
    "EventClient",
    "InvalidEvents",
    "InvalidQuery",
    "Kind",
    "Query",
    "Receipt",
    "Recommendation",
    "Rejected",
    "Retries",
    "Unavailable",
    "Undelivered",
    "UserEvent",
    "events",
]
