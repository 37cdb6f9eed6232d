#!lua
-- Appends votes to the stream and rings the doorbell, each if the definition of its poll allows it. A vote whose
-- key is remembered is not appended again: the caller is told what came of it the first time.
--
-- KEYS  1  the stream
--       2  the doorbell: a flag
--       3  the names of all polls that are published, a hash
--       4  since which start of Redis all are
--       5  the polls in which somebody has voted, a hash
--       6… for each vote: the definition of its poll, a hash: see publish.lua; what its id is remembered by, if it is;
--          how much the client has cast, if that is limited
-- ARGV  1  the channel of the doorbell
--       2  for how long the flag holds, in ms
--       3  for how long ids are remembered, in s
--       4  how many votes a client may cast, 0 if that is not limited   5  in how many ms
--       6… for each vote: option, poll, vote id, voter (empty if nobody is known), 1 if its id is remembered, else 0
-- Reply  for each vote: how many values follow, and these, one of
--        'appended', the stream id, and the option that was appended under it; then, where votes are limited and this
--        one is new, how many more the client may cast at once, and in how many ms that is as many as ever
--        'limited', in how many ms the client may cast the next vote, and in how many as many as ever
--        'unknown_option', and the options that there are
--        'not_open', and from when on votes count, in ms since the Unix epoch
--        'closed', and from when on they do not
--        'voter_missing'
--        'unknown_poll'
--        'unpublished': there may be such a poll, but its definition is not here, or is about to be another

local stream, doorbell, polls, published, voted = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5]
local most, window = tonumber(ARGV[4]), tonumber(ARGV[5])

local time = redis.call('TIME')
local now = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)
local rings = false

-- What somebody has damaged may be none.
local function is_number(text)
    return #text < 16 and string.match(text, '^%d+$')
end

-- Why the definition does not have the option.
local function refusal(poll, definition)
    local fields = redis.call('HGETALL', definition)
    local options, deleted = {}, false
    for i = 1, #fields, 2 do
        local name = string.match(fields[i], '^option:(.*)$')
        if name and is_number(fields[i + 1]) then
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
            rings = true
            return { 'unpublished' }
        end
    end
    return { 'unknown_poll' }
end

local function append(option, poll, vote_id, voter, definition, key, cast)
    if key then
        local remembered = redis.call('GET', key)
        if remembered then
            local id, before = string.match(remembered, '^(%S+) (.*)$')
            return { 'appended', id, before }
        end
    end

    local found = redis.pcall('HMGET', definition, 'option:' .. option, 'opens_ms', 'closes_ms', 'one_vote_per_voter',
        'held_until_ms')
    local opens, closes, once, held = found[2], found[3], found[4], found[5]
    -- A definition that is none is published again. That is no reason for votes in other polls to fail.
    if found.err or not (is_number(opens or '0') and is_number(closes or '0') and is_number(held or '0'))
        or held and now < tonumber(held) then
        return { 'unpublished' }
    elseif not found[1] then
        return refusal(poll, definition)
    elseif opens and now < tonumber(opens) then
        return { 'not_open', opens }
    elseif closes and now >= tonumber(closes) then
        return { 'closed', closes }
    end

    -- `accepted` tells PostgreSQL that the poll was open: by the time the vote is counted, the hours may be others.
    local entry = { 'option', option, 'poll', poll, 'vote_id', vote_id, 'accepted', '1' }
    if once then
        if voter == '' then
            return { 'voter_missing' }
        end
        entry[9], entry[10] = 'voter', voter
    end

    -- The generic cell rate algorithm: `due` is when the client will have made up for all that it has cast, at one
    -- vote each `each` ms. It may be ahead of time by the window.
    local due, each
    if cast then
        each = window / most
        due = math.max(tonumber(redis.call('GET', cast) or 0), now) + each
        local early = due - now - window
        -- A thousandth of a millisecond is rounding.
        if early > 0.001 then
            return { 'limited', string.format('%d', math.ceil(early)), string.format('%d', math.ceil(due - each - now)) }
        end
        redis.call('SET', cast, string.format('%.3f', due), 'PX', math.max(math.ceil(due - now), 1))
    end

    redis.call('HSETNX', voted, poll, '1')
    local id = redis.call('XADD', stream, '*', unpack(entry))
    rings = true
    if key then
        redis.call('SET', key, id .. ' ' .. option, 'EX', ARGV[3])
    end
    if cast then
        local left = math.floor((window - (due - now)) / each + 0.001)
        return { 'appended', id, option, string.format('%d', left), string.format('%d', math.ceil(due - now)) }
    end
    return { 'appended', id, option }
end

local reply, at = {}, 5
local function next_key(is_there)
    if is_there then
        at = at + 1
        return KEYS[at]
    end
end
for vote = 6, #ARGV, 5 do
    local definition, key, cast = next_key(true), next_key(ARGV[vote + 4] == '1'), next_key(most > 0)
    local outcome = append(ARGV[vote], ARGV[vote + 1], ARGV[vote + 2], ARGV[vote + 3], definition, key, cast)
    reply[#reply + 1] = #outcome
    for _, value in ipairs(outcome) do
        reply[#reply + 1] = value
    end
end

-- Only who raises the flag rings: there is at most one wake-up on its way.
if rings and redis.call('SET', doorbell, '', 'NX', 'PX', ARGV[2]) then
    redis.call('PUBLISH', ARGV[1], '')
end
return reply
