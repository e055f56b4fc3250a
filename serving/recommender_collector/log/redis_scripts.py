"""Scripts that Redis runs atomically. Each is one transaction in the append-only file."""

from __future__ import annotations

import hashlib

#: Finds the events with new ids.
#:
#: Ids are remembered in sets of a fixed length of time by the clock of Redis, the only one that
#: all collectors share. An id is looked up in the current and the former sets.
#:
#: KEYS: the stream; the prefix of the sets of ids. ARGV: seconds of a set; number of former sets;
#: n; bytes of a digest; n digests; n lines, joined by line breaks. (Two arguments for an event
#: would cost more than the rest.)
_FIND = """
local length, former = tonumber(ARGV[1]), tonumber(ARGV[2])
local n, size = tonumber(ARGV[3]), tonumber(ARGV[4])
local ids, known, here, any = {}, {}, {}, false
for i = 1, n do
  local id = string.sub(ARGV[5], (i - 1) * size + 1, i * size)
  ids[i] = id
  if here[id] then known[i], any = true, true end
  here[id] = true
end
local bucket = math.floor(tonumber(redis.call('TIME')[1]) / length)
for back = 0, former do
  local name = KEYS[2] .. string.format('%d', bucket - back)
  local found = redis.call('SMISMEMBER', name, unpack(ids))
  for i = 1, n do if found[i] == 1 then known[i], any = true, true end end
end
local repeated, fresh, lines = {}, ids, ARGV[6]
if any then
  local kept, i = {}, 0
  fresh = {}
  for line in string.gmatch(ARGV[6], '[^\\n]+') do
    i = i + 1
    if known[i] then
      repeated[#repeated + 1] = i - 1
    else
      fresh[#fresh + 1] = ids[i]
      kept[#kept + 1] = line
    end
  end
  lines = table.concat(kept, '\\n')
end
if #fresh > 0 then
  local name = KEYS[2] .. string.format('%d', bucket)
  redis.call('SADD', name, unpack(fresh))
  redis.call('EXPIREAT', name, (bucket + former + 1) * length)
"""
#: Appends the events with new ids as one record. Returns the indices, from 0, of known ids.
APPEND = (
    _FIND
    + """
  redis.call('XADD', KEYS[1], '*', 'e', lines)
end
return repeated
"""
)
#: Reads the records after an offset: up to a number, and up to so many bytes if there is more than
#: one. A read by number alone would hold what the writers cannot.
#:
#: KEYS: the stream. ARGV: the offset; the number; the bytes. Returns pairs of offset and lines.
READ = """
local found, bytes, after = {}, 0, ARGV[1]
for i = 1, tonumber(ARGV[2]) do
  local next = redis.call('XRANGE', KEYS[1], '(' .. after, '+', 'COUNT', 1)[1]
  if not next then break end
  bytes = bytes + #next[2][2]
  if i > 1 and bytes > tonumber(ARGV[3]) then break end
  after = next[1]
  found[i] = {after, next[2][2]}
end
return found
"""
#: By which Redis knows the script.
APPEND_SHA1 = hashlib.sha1(APPEND.encode(), usedforsecurity=False).hexdigest()

#: Appends messages of a Kafka topic with new ids as one record and moves the offset of their
#: partition, if it is where the relay thinks it is.
#:
#: The time of the record is that of the messages, or what is late for a reader would depend on
#: how far the relay is behind; but never before the former record, nor in the future.
#:
#: KEYS, ARGV: those of `_FIND`; the hash of offsets; then the partition, its expected offset,
#: empty if it has none, its new one, and the time of the messages in milliseconds. Returns the
#: number of known ids, or -1 if another relay moved the offset.
RELAY = (
    """
if (redis.call('HGET', KEYS[3], ARGV[7]) or '') ~= ARGV[8] then return -1 end
"""
    + _FIND
    + """
  local clock = redis.call('TIME')
  local now, at = clock[1] * 1000 + math.floor(clock[2] / 1000), tonumber(ARGV[10])
  if at <= 0 or at > now then at = now end
  at = math.max(at, tonumber(redis.call('HGET', KEYS[3], 'at') or '0'))
  local id = redis.pcall('XADD', KEYS[1], string.format('%d-*', at), 'e', lines)
  if type(id) == 'table' then  -- a former log of Redis reaches further
    id = redis.call('XADD', KEYS[1], '*', 'e', lines)
  end
  redis.call('HSET', KEYS[3], 'at', string.match(id, '%d+'))
end
redis.call('HSET', KEYS[3], ARGV[7], ARGV[9])
return #repeated
"""
)

#: Stores the time through which events are applied, if the writer of the store has applied a
#: record. A record's time says nothing about this: it may hold older events.
#:
#: KEYS: the stream; the writer's offset; the hash of offsets. ARGV: the field; the time; the
#: record, or empty for the newest one. Returns the record, or nothing if the time is stored.
MARK = """
local last = ARGV[3]
if last == '' then
  local newest = redis.call('XREVRANGE', KEYS[1], '+', '-', 'COUNT', 1)
  last = newest[1] and newest[1][1] or '0-0'
end
local offset = redis.call('GET', KEYS[2]) or '0-0'
if #redis.call('XRANGE', KEYS[1], '(' .. offset, last, 'COUNT', 1) > 0 then return last end
redis.call('HSET', KEYS[3], ARGV[1], ARGV[2])
return false
"""
