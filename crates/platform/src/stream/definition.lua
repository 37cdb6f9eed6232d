#!lua flags=allow-oom
-- Reads the definition of a poll, for the page to vote on. That goes on when memory is short: the flag takes
-- next to none.
--
-- KEYS  1  the definition of the poll, a hash: see publish.lua
--       2  the names of all polls that are published, a hash
--       3  since which start of Redis all are
--       4  the doorbell: a flag
-- ARGV  1  poll   2  the channel of the doorbell   3  for how long the flag holds, in ms
-- Reply  'defined' and the fields of the definition with their values, or 'unknown_poll' or 'unpublished', as
--        append.lua gives them

local definition, polls, published, doorbell = KEYS[1], KEYS[2], KEYS[3], KEYS[4]

local fields = redis.call('HGETALL', definition)
for i = 1, #fields, 2 do
    if fields[i] == 'deleted' then
        return { 'unknown_poll' }
    end
end
if #fields > 0 then
    return { 'defined', unpack(fields) }
end
local run_id = string.match(redis.call('INFO', 'server'), '\nrun_id:(%x+)')
if redis.call('HEXISTS', polls, ARGV[1]) == 0 and redis.call('GET', published) == run_id then
    return { 'unknown_poll' }
end
if redis.call('SET', doorbell, '', 'NX', 'PX', ARGV[3]) then
    redis.call('PUBLISH', ARGV[2], '')
end
return { 'unpublished' }
