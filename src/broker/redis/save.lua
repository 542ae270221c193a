-- Writes jobs whose state is not older than what is there. An ending is written over progress that is up to a minute newer:
-- the clocks of two relays differ, and whoever saw the ending has seen no run open since.
-- KEYS: their hashes. ARGV: the seconds to keep them, then for each: owner (may be empty), state, ended, percent, updated.
-- Returns the positions, from 1, of the keys that hold something else and were left alone.
local others = {}
for index, key in ipairs(KEYS) do
  local at = 1 + (index - 1) * 5
  local owner, ended, updated = ARGV[at + 1], ARGV[at + 3], ARGV[at + 5]
  local there = redis.pcall('HGET', key, 'updated')
  local ahead = 0
  if type(there) ~= 'table' then
    ahead = (tonumber(there or '') or 0) - tonumber(updated)
    if ahead > 0 and ahead <= 60000000 and ended ~= '' and (redis.call('HGET', key, 'ended') or '') == '' then
      ahead = 0
      updated = there
    end
  end
  if type(there) == 'table' then
    others[#others + 1] = index
  elseif ahead <= 0 then
    redis.call('HSET', key, 'state', ARGV[at + 2], 'ended', ended, 'percent', ARGV[at + 4], 'updated', updated)
    if owner ~= '' then
      redis.call('HSET', key, 'owner', owner)
    end
    redis.call('EXPIRE', key, ARGV[1])
  end
end
return others
