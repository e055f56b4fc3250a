"""Scripts that Redis runs atomically. Each is one transaction in the append-only file."""

from __future__ import annotations

#: Appends the events with new ids as one record.
#:
#: Ids are remembered in sets of a fixed length of time by the clock of Redis, the only one that
#: all collectors share. An id is looked up in the current and the former sets.
#:
#: KEYS: the stream; the prefix of the sets of ids. ARGV: seconds of a set, number of former sets,
#: n, n digests, n lines. Returns the indices, from 0, of ids that are known.
APPEND = """
local length, former, n = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local now = tonumber(redis.call('TIME')[1])
local bucket = math.floor(now / length)
local ids = {}
for i = 1, n do ids[i] = ARGV[3 + i] end
local known = {}
for back = 0, former do
  local name = KEYS[2] .. string.format('%d', bucket - back)
  local found = redis.call('SMISMEMBER', name, unpack(ids))
  for i = 1, n do if found[i] == 1 then known[i] = true end end
end
local repeated, fresh, lines, here = {}, {}, {}, {}
for i = 1, n do
  if known[i] or here[ids[i]] then
    repeated[#repeated + 1] = i - 1
  else
    here[ids[i]] = true
    fresh[#fresh + 1] = ids[i]
    lines[#lines + 1] = ARGV[3 + n + i]
  end
end
if #fresh > 0 then
  local name = KEYS[2] .. string.format('%d', bucket)
  redis.call('SADD', name, unpack(fresh))
  redis.call('EXPIREAT', name, (bucket + former + 1) * length)
  redis.call('XADD', KEYS[1], '*', 'e', table.concat(lines, '\\n'))
end
return repeated
"""
