-- Writes jobs whose state is not older than what is there.
-- KEYS: their hashes. ARGV: the seconds to keep them, then for each: owner (may be empty), state, ended, percent, updated.
-- Returns the positions, from 1, of the keys that hold something else and were left alone.
local others = {}
for index, key in ipairs(KEYS) do
  local at = 1 + (index - 1) * 5
  local owner, updated = ARGV[at + 1], ARGV[at + 5]
  local there = redis.pcall('HGET', key, 'updated')
  if type(there) == 'table' then
    others[#others + 1] = index
  elseif (tonumber(there or '') or 0) <= tonumber(updated) then
    redis.call('HSET', key, 'state', ARGV[at + 2], 'ended', ARGV[at + 3], 'percent', ARGV[at + 4], 'updated', updated)
    if owner ~= '' then
      redis.call('HSET', key, 'owner', owner)
    end
    redis.call('EXPIRE', key, ARGV[1])
  end
end
return others
