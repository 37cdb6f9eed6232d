#!lua flags=allow-oom
-- Has a poll in which nobody has voted take no votes for a while, in which it is changed as only such a poll may be.
-- A vote in the stream that is not counted yet counts here, so PostgreSQL alone could not tell.
--
-- KEYS  1  the definition of the poll, a hash   2  the polls in which somebody has voted, a hash
-- ARGV  1  the poll   2  for how long, in ms; 0 ends it
-- Reply  1, or 0 if somebody has voted

local definition, voted, poll, duration = KEYS[1], KEYS[2], ARGV[1], tonumber(ARGV[2])

if duration == 0 then
    redis.call('HDEL', definition, 'held_until_ms')
    return 1
end
if redis.call('HEXISTS', voted, poll) == 1 then
    return 0
end
local time = redis.call('TIME')
local now = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)
redis.call('HSET', definition, 'held_until_ms', string.format('%d', now + duration))
return 1
