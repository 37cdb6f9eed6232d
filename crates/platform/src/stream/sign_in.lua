#!lua flags=allow-oom
-- Counts an attempt to sign in as one that failed, until the caller says otherwise: attempts that are made at
-- once cannot all pass before the first of them fails.
--
-- KEYS  1  the failed attempts of a client
-- ARGV  1  how many there may be; 2  milliseconds after which they are forgotten
-- Reply  0 if this attempt may be made, else the milliseconds until one may be

local failed = redis.call('INCR', KEYS[1])
if failed == 1 then
    redis.call('PEXPIRE', KEYS[1], ARGV[2])
end
if failed <= tonumber(ARGV[1]) then
    return 0
end
return math.max(redis.call('PTTL', KEYS[1]), 1)
