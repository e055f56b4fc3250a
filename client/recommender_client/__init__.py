"""A typed client of a recommender's endpoint: `Client`, and `AsyncClient` for asyncio.

from recommender_client import Client, Query

with Client("http://gateway", host="movies.default.recommender.local") as client:
    answer = client.recommend(Query(user_id=42, top_n=5))
    print(answer.items, answer.source, answer.request_id)
"""

from recommender_client.clients import AsyncClient, Client
from recommender_client.errors import BadAnswer, ClientError, InvalidQuery, Unavailable
from recommender_client.messages import Event, Query, Recommendation
from recommender_client.retries import Retries

__all__ = [
    "AsyncClient",
    "BadAnswer",
    "Client",
    "ClientError",
    "Event",
    "InvalidQuery",
    "Query",
    "Recommendation",
    "Retries",
    "Unavailable",
]
