#!lua flags=allow-oom
-- Publishes the definitions of polls, each unless what is there is as new. Votes are taken by them, so it
-- goes on when memory is short.
--
-- A definition is a hash: `revision`, `question`, `opens_ms`, `closes_ms` and `one_vote_per_voter` where they
-- apply, for each option a field `option:<option>` with its position, from 1, and `digest`, by which outdated.lua sees
-- whether it is whole. Of a poll that is gone only `revision`, `deleted` and `digest` are left, for as long as a slow
-- publisher might bring it back. `held_until_ms` is hold.lua's, and stays.
--
-- KEYS  1  the names of all polls that are published, a hash: each with its revision
--       2… the definition of each poll
-- ARGV  for each poll: its name, 1 if it is gone or else 0, how many names and values of fields follow, and
--       these; the first is `revision`
-- Reply  how many were published

local GONE_FOR = 86400

local polls, at, count = KEYS[1], 1, 0
for i = 2, #KEYS do
    local definition = KEYS[i]
    local poll, gone, length, revision = ARGV[at], ARGV[at + 1] == '1', tonumber(ARGV[at + 2]), ARGV[at + 4]
    -- An error if something else has this name; and what somebody else has written may be no number, or none that
    -- compares. That must not keep this poll, or another of this call, from being published.
    local known = redis.pcall('HGET', definition, 'revision')
    if type(known) ~= 'string' or not ((tonumber(known) or -1) >= tonumber(revision)) then
        local held = redis.pcall('HGET', definition, 'held_until_ms')
        redis.call('DEL', definition)
        redis.call('HSET', definition, unpack(ARGV, at + 3, at + 2 + length))
        if type(held) == 'string' and tonumber(held) then
            redis.call('HSET', definition, 'held_until_ms', held)
        end
        if gone then
            redis.call('EXPIRE', definition, GONE_FOR)
            redis.call('HDEL', polls, poll)
        else
            redis.call('HSET', polls, poll, revision)
        end
        count = count + 1
    end
    at = at + 3 + length
end
return count
