#!lua
-- Appends a vote to the stream and rings the doorbell. A vote whose key is remembered is not appended
-- again: the caller is told what came of it the first time.
--
-- KEYS  1  the stream
--       2  the doorbell: a flag, and the channel of the same name
--       3  what the idempotency key is remembered by; absent if the client gave none
-- ARGV  1  option   2  poll   3  vote id
--       4  for how long the flag holds, in ms
--       5  for how long the idempotency key is remembered, in s
-- Reply  the stream id, and the option that was appended under it

if KEYS[3] then
    local remembered = redis.call('GET', KEYS[3])
    if remembered then
        local id, option = string.match(remembered, '^(%S+) (.*)$')
        return { id, option }
    end
end

local id = redis.call('XADD', KEYS[1], '*', 'option', ARGV[1], 'poll', ARGV[2], 'vote_id', ARGV[3])

if KEYS[3] then
    redis.call('SET', KEYS[3], id .. ' ' .. ARGV[1], 'EX', ARGV[5])
end

-- Only who raises the flag rings: there is at most one wake-up on its way.
if redis.call('SET', KEYS[2], '', 'NX', 'PX', ARGV[4]) then
    redis.call('PUBLISH', KEYS[2], '')
end

return { id, ARGV[1] }
