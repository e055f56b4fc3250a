"""Writes to the online store, and its erasure of users."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from redis.asyncio import Redis

from recommender_collector.domain.popularity_trends import Gain
from recommender_collector.domain.store_updates import StoreUpdate
from recommender_collector.log import positions
from recommender_collector.log.positions import FIND_PLACE
from recommender_contract.online_store import (
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
#: Members that are added to a sorted set at once, between which the oldest go. So it has at most
#: 512, up to which Redis keeps it as one list with a sixth of the memory.
ADDED = 12
#: Adds members to sorted sets and moves the place in the log, if it is where the writer thinks.
#:
#: The first command frees memory. So Redis runs the others also above `maxmemory`: what waits in
#: the log would fill it for ever.
#:
#: KEYS: the offset; the part; keys to remove first. ARGV: the expected place; the new one; seconds
#: to live; n; n times key, most members, and one text of score and member in turn, each with a
#: line break after it: a thousand arguments would take the writer longer than all else. Then of
#: what is popular: m; key of the segments; most items of a segment; most segments; seconds to
#: live; m times segment, item, gain. Among the most segments, those whose items are forgotten make
#: room for others. Then c; c times the number of words of a command, and its words. Returns 1, or
#: 0 if another writer is at another place.
APPLY = (
    FIND_PLACE
    + """
if place ~= ARGV[1] then return 0 end
redis.call('UNLINK', KEYS[2])
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
for i = 3, #KEYS do redis.call('UNLINK', KEYS[i]) end
local seconds, n, p = ARGV[3], tonumber(ARGV[4]), 5
for i = 1, n do
  local name, last, words, count = ARGV[p], -(tonumber(ARGV[p + 1]) + 1), {}, 0
  for word in string.gmatch(ARGV[p + 2], '[^\\n]+') do
    count = count + 1
    words[count] = word
  end
  for at = 1, count, """
    + str(2 * ADDED)
    + """ do
    redis.call('ZADD', name, 'GT', unpack(words, at, math.min(count, at + """
    + str(2 * ADDED - 1)
    + """)))
    redis.call('ZREMRANGEBYRANK', name, 0, last)
  end
  redis.call('EXPIRE', name, seconds)
  p = p + 3
end
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
redis.call('SET', string.find(ARGV[2], ' ') and KEYS[2] or KEYS[1], ARGV[2])
return 1
"""
)


class OnlineStore:
    """The sets of users of all models.

    `keep_seconds` is how long an idle user is remembered. While the store `is_full`, what users
    are shown is not added.
    """

    def __init__(
        self, redis: Redis, keep_seconds: int, is_full: Callable[[], bool] = lambda: False
    ) -> None:
        self._redis = redis
        self._keep = keep_seconds
        self._is_full = is_full
        self._apply = redis.register_script(APPLY)
        #: Redis runs one script after the other, and a reader waits for all that arrive together.
        self._turn = asyncio.Lock()

    async def offset(self, model: str) -> str:
        """Return the offset of the last record whose effects the store has."""
        return positions.offset_of(
            positions.place_of(await self._redis.mget(positions.keys(model)))
        )

    async def apply(
        self,
        model: str,
        effects: Sequence[StoreUpdate],
        before: str,
        after: str,
        forget: Iterable[int] = (),
        gains: Sequence[Gain] = (),
        commands: Sequence[Command] = (),
    ) -> bool:
        """Forget users, apply effects, gains and commands and move the place: all or nothing.

        `before` and `after` are places in the log.

        Returns:
            False if the place is not `before`: another writer was faster, nothing was written.
        """
        added: dict[tuple[int, Set], list[str]] = {}
        is_full = self._is_full()
        for each in effects:
            if is_full and each.set is Set.SEEN:
                continue
            added.setdefault((each.user, each.set), []).append(f"{each.time}\n{each.member}\n")
        arguments: list[Any] = [before, after, self._keep, len(added)]
        for (user, name), words in added.items():
            arguments += (key(model, user, name), LIMITS[name], "".join(words))
        arguments += (len(gains), trends(model), TREND_ITEMS, TREND_SEGMENTS, TREND_SECONDS)
        for gain in gains:
            arguments += (gain.segment, gain.item, repr(gain.worth))
        arguments.append(len(commands))
        for command in commands:
            arguments += (len(command), *command)
        keys = [*positions.keys(model), *_keys(model, forget)]
        async with self._turn:
            return bool(await self._apply(keys=keys, args=arguments))

    async def forget(self, model: str, user: int) -> None:
        """Remove everything about a user."""
        await self._redis.unlink(*_keys(model, (user,)))


def _keys(model: str, users: Iterable[int]) -> list[str]:
    return [key(model, user, name) for user in users for name in Set]


def newest(effects: Iterable[StoreUpdate]) -> list[StoreUpdate]:
    """Return one effect for each member of a set, the newest, so that a script does less."""
    found: dict[tuple[int, Set, str], StoreUpdate] = {}
    for each in effects:
        name = (each.user, each.set, each.member)
        if name not in found or found[name].time < each.time:
            found[name] = each
    return list(found.values())
