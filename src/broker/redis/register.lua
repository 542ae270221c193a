-- Keeps whose job it is. The first owner stays; a run that has ended is forgotten, because its job is to run again.
-- KEYS: the job's hash. ARGV: the owner, the seconds to keep it. Returns the owner that it now has.
local owner = redis.call('HGET', KEYS[1], 'owner')
if not owner or owner == '' then
  owner = ARGV[1]
  redis.call('HSET', KEYS[1], 'owner', owner)
end
if (redis.call('HGET', KEYS[1], 'ended') or '') ~= '' then
  redis.call('HDEL', KEYS[1], 'state', 'ended', 'percent')
end
redis.call('EXPIRE', KEYS[1], ARGV[2])
return owner
