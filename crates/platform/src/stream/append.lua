#!lua
-- Appends a vote to the stream and rings the doorbell, if the definition of its poll allows it. A vote whose
-- key is remembered is not appended again: the caller is told what came of it the first time.
--
-- KEYS  1  the stream
--       2  the doorbell: a flag
--       3  the definition of the poll, a hash: see publish.lua
--       4  the names of all polls that are published, a hash
--       5  since which start of Redis all are
--       6  the polls in which somebody has voted, a hash
--       7… what the idempotency key is remembered by, unless the client gave none, and then how much the client
--          has cast, unless that is not limited
-- ARGV  1  option   2  poll   3  vote id   4  voter; empty if nobody is known
--       5  the channel of the doorbell
--       6  for how long the flag holds, in ms
--       7  for how long the idempotency key is remembered, in s; 0 if there is none
--       8  how many votes a client may cast, 0 if that is not limited   9  in how many ms
-- Reply  one of
--        'appended', the stream id, and the option that was appended under it; then, where votes are limited and this
--        one is new, how many more the client may cast at once, and in how many ms that is as many as ever
--        'limited', in how many ms the client may cast the next vote, and in how many as many as ever
--        'unknown_option', and the options that there are
--        'not_open', and from when on votes count, in ms since the Unix epoch
--        'closed', and from when on they do not
--        'voter_missing'
--        'unknown_poll'
--        'unpublished': there may be such a poll, but its definition is not here, or is about to be another

local stream, doorbell, definition, polls, published, voted = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5], KEYS[6]
local most, window = tonumber(ARGV[8]), tonumber(ARGV[9])
local key = ARGV[7] ~= '0' and KEYS[7]
local cast = most > 0 and KEYS[#KEYS]
local option, poll, vote_id, voter, channel = ARGV[1], ARGV[2], ARGV[3], ARGV[4], ARGV[5]

-- Only who raises the flag rings: there is at most one wake-up on its way.
local function ring()
    if redis.call('SET', doorbell, '', 'NX', 'PX', ARGV[6]) then
        redis.call('PUBLISH', channel, '')
    end
end

-- Why the definition does not have the option.
local function refusal()
    local fields = redis.call('HGETALL', definition)
    local options, deleted = {}, false
    for i = 1, #fields, 2 do
        local name = string.match(fields[i], '^option:(.*)$')
        if name then
            options[tonumber(fields[i + 1])] = name
        end
        deleted = deleted or fields[i] == 'deleted'
    end
    if #options > 0 then
        return { 'unknown_option', unpack(options) }
    end
    if not deleted then
        local run_id = string.match(redis.call('INFO', 'server'), '\nrun_id:(%x+)')
        if redis.call('HEXISTS', polls, poll) == 1 or redis.call('GET', published) ~= run_id then
            ring()
            return { 'unpublished' }
        end
    end
    return { 'unknown_poll' }
end

if key then
    local remembered = redis.call('GET', key)
    if remembered then
        local id, before = string.match(remembered, '^(%S+) (.*)$')
        return { 'appended', id, before }
    end
end

local found = redis.call('HMGET', definition, 'option:' .. option, 'opens_ms', 'closes_ms', 'one_vote_per_voter',
    'held_until_ms')
local opens, closes, once, held = found[2], found[3], found[4], found[5]
local now
if opens or closes or held or cast then
    local time = redis.call('TIME')
    now = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)
    if held and now < tonumber(held) then
        return { 'unpublished' }
    elseif found[1] and opens and now < tonumber(opens) then
        return { 'not_open', opens }
    elseif found[1] and closes and now >= tonumber(closes) then
        return { 'closed', closes }
    end
end
if not found[1] then
    return refusal()
end

-- `accepted` tells PostgreSQL that the poll was open: by the time the vote is counted, the hours may be others.
local entry = { 'option', option, 'poll', poll, 'vote_id', vote_id, 'accepted', '1' }
if once then
    if voter == '' then
        return { 'voter_missing' }
    end
    entry[9], entry[10] = 'voter', voter
end

-- The generic cell rate algorithm: `due` is when the client will have made up for all that it has cast, at one vote
-- each `each` ms. It may be ahead of time by the window.
local due, each
if cast then
    each = window / most
    due = math.max(tonumber(redis.call('GET', cast) or 0), now) + each
    local early = due - now - window
    -- A thousandth of a millisecond is rounding.
    if early > 0.001 then
        return { 'limited', string.format('%d', math.ceil(early)), string.format('%d', math.ceil(due - each - now)) }
    end
    redis.call('SET', cast, string.format('%.3f', due), 'PX', math.ceil(due - now))
end

redis.call('HSETNX', voted, poll, '1')
local id = redis.call('XADD', stream, '*', unpack(entry))
ring()

if key then
    redis.call('SET', key, id .. ' ' .. option, 'EX', ARGV[7])
end
if cast then
    local left = math.floor((window - (due - now)) / each + 0.001)
    return { 'appended', id, option, string.format('%d', left), string.format('%d', math.ceil(due - now)) }
end
return { 'appended', id, option }
