"""Writes to the online store, and its erasure of users."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from redis.asyncio import Redis

from recommender_collector.domain.effects import Effect
from recommender_collector.domain.trends import Gain
from recommender_collector.log.port import START
from recommender_collector.log.redis_log import offset_key
from recommender_serving.store.layout import (
    ALL,
    LIMITS,
    TREND_ITEMS,
    TREND_SECONDS,
    TREND_SEGMENTS,
    Set,
    key,
    trends,
)

#: A command of Redis and its arguments, at most 4,000.
Command = tuple[str | bytes | int, ...]
#: Adds members to sorted sets and moves the offset, if it is where the writer thinks it is.
#:
#: KEYS: the offset; keys to remove first. ARGV: the expected offset; the new one; seconds to live;
#: n; n times key, most members, score, member; then of what is popular: m; key of the segments;
#: most items of a segment; most segments; seconds to live; m times segment, item, gain. Among
#: the most segments, those whose items are forgotten make room for others. Then c; c times the
#: number of words of a command, and its words. Returns 1, or 0 if another writer moved the offset.
APPLY = (
    """
local looked = false
local function free(index, most)
  if redis.call('SCARD', index) >= most and not looked then
    looked = true
    for _, segment in ipairs(redis.call('SMEMBERS', index)) do
      if redis.call('EXISTS', index .. ':' .. segment) == 0 then
        redis.call('SREM', index, segment)
      end
    end
  end
  return redis.call('SCARD', index) < most
end
if (redis.call('GET', KEYS[1]) or '0-0') ~= ARGV[1] then return 0 end
for i = 2, #KEYS do redis.call('UNLINK', KEYS[i]) end
local seconds, n = ARGV[3], tonumber(ARGV[4])
local most = {}
for i = 0, n - 1 do
  local name, at = ARGV[5 + 4 * i], 5 + 4 * i
  redis.call('ZADD', name, 'GT', ARGV[at + 2], ARGV[at + 3])
  most[name] = tonumber(ARGV[at + 1])
end
for name, limit in pairs(most) do
  redis.call('ZREMRANGEBYRANK', name, 0, -(limit + 1))
  redis.call('EXPIRE', name, seconds)
end
local p = 5 + 4 * n
local m, index = tonumber(ARGV[p]), ARGV[p + 1]
local items, segments, live = tonumber(ARGV[p + 2]), tonumber(ARGV[p + 3]), ARGV[p + 4]
local open, touched = {['"""
    + ALL
    + """'] = true}, {}
for i = 0, m - 1 do
  local at = p + 5 + 3 * i
  local segment, item, gain = ARGV[at], ARGV[at + 1], tonumber(ARGV[at + 2])
  if open[segment] == nil then
    open[segment] = redis.call('SISMEMBER', index, segment) == 1
    if not open[segment] and free(index, segments) then
      redis.call('SADD', index, segment)
      open[segment] = true
    end
  end
  if open[segment] then
    local name = index .. ':' .. segment
    local old = tonumber(redis.call('ZSCORE', name, item) or gain - 2000)
    local high, low = math.max(old, gain), math.min(old, gain)
    local sum = high + math.log(1 + 2 ^ (low - high)) / math.log(2)
    redis.call('ZADD', name, string.format('%.17g', sum), item)
    touched[name] = true
  end
end
for name in pairs(touched) do
  redis.call('ZREMRANGEBYRANK', name, 0, -(items + 1))
  redis.call('EXPIRE', name, live)
end
if next(touched) then redis.call('EXPIRE', index, live) end
local at = p + 5 + 3 * m
local c = tonumber(ARGV[at])
at = at + 1
for i = 1, c do
  local words = tonumber(ARGV[at])
  redis.call(unpack(ARGV, at + 1, at + words))
  at = at + 1 + words
end
redis.call('SET', KEYS[1], ARGV[2])
return 1
"""
)


class OnlineStore:
    """The sets of users of all models. `keep_seconds` is how long an idle user is remembered."""

    def __init__(self, redis: Redis, keep_seconds: int) -> None:
        self._redis = redis
        self._keep = keep_seconds
        self._apply = redis.register_script(APPLY)

    async def offset(self, model: str) -> str:
        """Return the offset up to which the store has the effects of the log."""
        found = await self._redis.get(offset_key(model))
        return found.decode() if found else START

    async def apply(
        self,
        model: str,
        effects: Sequence[Effect],
        before: str,
        after: str,
        forget: Iterable[int] = (),
        gains: Sequence[Gain] = (),
        commands: Sequence[Command] = (),
    ) -> bool:
        """Forget users, apply effects, gains and commands and move the offset: all or nothing.

        Returns:
            False if the offset is not `before`: another writer was faster, nothing was written.
        """
        arguments: list[Any] = [before, after, self._keep, len(effects)]
        for each in effects:
            name = key(model, each.user, each.set)
            arguments += (name, LIMITS[each.set], each.time, each.member)
        arguments += (len(gains), trends(model), TREND_ITEMS, TREND_SEGMENTS, TREND_SECONDS)
        for gain in gains:
            arguments += (gain.segment, gain.item, repr(gain.worth))
        arguments.append(len(commands))
        for command in commands:
            arguments += (len(command), *command)
        keys = [offset_key(model), *_keys(model, forget)]
        return bool(await self._apply(keys=keys, args=arguments))

    async def forget(self, model: str, user: int) -> None:
        """Remove everything about a user."""
        await self._redis.unlink(*_keys(model, (user,)))


def _keys(model: str, users: Iterable[int]) -> list[str]:
    return [key(model, user, name) for user in users for name in Set]


def newest(effects: Iterable[Effect]) -> list[Effect]:
    """Return one effect for each member of a set, the newest, so that a script does less."""
    found: dict[tuple[int, Set, str], Effect] = {}
    for each in effects:
        name = (each.user, each.set, each.member)
        if name not in found or found[name].time < each.time:
            found[name] = each
    return list(found.values())
