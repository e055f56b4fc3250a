"""The writer under the memory limit of the chart, with the largest events that are legal."""

from __future__ import annotations

import asyncio
from pathlib import Path

import orjson
from redis.asyncio import Redis

from recommender_collector.log.group_commit import GroupCommit
from recommender_collector.log.redis_log import RedisLog, stream
from tests import memory_limit
from tests.collector_rig import MAPPING, Process
from tests.largest_events import impressions, purchase
from tests.redis_server import RedisServer

LIMIT = 512  # MiB; collector.writer.resources of the chart
#: A few of the largest records take what this leaves.
MOST = 256
REQUESTS = 8


async def test_the_largest_backlog_leaves_the_writer_far_below_its_limit(
    tmp_path: Path, server: RedisServer, redis: Redis
) -> None:
    log = RedisLog(redis, {"shop": 86_400})
    commit = GroupCommit(log, "shop")
    for number in range(REQUESTS):
        if number % 2:
            await log.append("shop", impressions(number))  # a record of an earlier release
        else:
            await commit.append(impressions(number))
    await log.append("shop", purchase(0))
    # Each item of an impression is a row for training, too.
    kinds = [{"type": "impression", "value": 1}, {"type": "purchase", "value": 5}]
    mapping = {**MAPPING, "interactions": {**MAPPING["interactions"], "eventTypes": kinds}}
    declared = {"models": {"shop": {"mapping": mapping}}}
    (tmp_path / "collector.json").write_bytes(orjson.dumps(declared))
    with memory_limit.limited(LIMIT) as limit:
        arguments = ("--files", str(tmp_path / "files"), "--flush-seconds", "1")
        writer = Process(tmp_path, "write", *arguments, prefix=limit.prefix)
        writer.start(server.url)
        try:
            while await redis.xlen(stream("shop")):
                assert limit.kills == 0
                await asyncio.sleep(0.05)
            peak = memory_limit.peak_mib(writer.pid)
        finally:
            writer.stop()
    assert peak < MOST
    rows = [
        orjson.loads(line)["id"]
        for path in (tmp_path / "files" / "shop").glob("0*/events.jsonl")
        for line in path.read_bytes().splitlines()
    ]
    assert len(rows) == len(set(rows)) == REQUESTS * len(impressions(0)) + 1


def test_the_limit_is_that_of_the_chart() -> None:
    values = (Path(__file__).parents[3] / "charts/recommender-operator/values.yaml").read_text()
    writer = values.split("\n  writer:")[1].split("\n  store:")[0]
    assert f"memory: {LIMIT}Mi" in writer
