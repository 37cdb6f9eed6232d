#!lua flags=allow-oom
-- Which of these polls are not published in their newest revision, or not as they were: somebody has damaged them. Such
-- a one is set back to revision 0, so that publish.lua takes any for newer. Votes are taken by it meanwhile, so that goes
-- on when memory is short.
--
-- KEYS  1… the definition of each poll
-- ARGV  for each poll: its revision, and 1 if it is gone or else 0
-- Reply  for each of them its place, from 1

-- No poll is held for longer than this, in ms: see hold.lua.
local LONGEST_HOLD = 60000

local time = redis.call('TIME')
local latest = tonumber(time[1]) * 1000 + LONGEST_HOLD

-- What its fields come to, in any order: as `digest` in definitions.rs.
local function is_damaged(definition)
    local fields = redis.pcall('HGETALL', definition)
    -- Users of Redis that are older than this script may not look.
    if fields.err then
        return false
    end
    local sum, digest, hold_is_whole = 0, nil, true
    for i = 1, #fields, 2 do
        local name, value = fields[i], fields[i + 1]
        if name == 'digest' then
            digest = value
        elseif name == 'held_until_ms' then
            -- append.lua takes fewer than 16 digits, and nothing else.
            hold_is_whole = #value < 16 and string.match(value, '^%d+$') and tonumber(value) <= latest
        else
            sum = sum + tonumber(string.sub(redis.sha1hex(name .. '=' .. value), 1, 8), 16)
        end
    end
    if not hold_is_whole then
        redis.call('HSET', definition, 'held_until_ms', '0')
    end
    return digest ~= string.format('%d', sum)
end

local outdated = {}
for i, definition in ipairs(KEYS) do
    local revision, gone = tonumber(ARGV[2 * i - 1]), ARGV[2 * i] == '1'
    local known = redis.pcall('HGET', definition, 'revision')
    if type(known) == 'string' then
        if is_damaged(definition) then
            redis.call('HSET', definition, 'revision', '0')
            outdated[#outdated + 1] = i
        -- It may be no number, or none that compares, where it could not be looked at.
        elseif not ((tonumber(known) or -1) >= revision) then
            outdated[#outdated + 1] = i
        end
    -- Nothing is a good definition of a poll that is gone; an error says that something else is there.
    elseif known or not gone then
        outdated[#outdated + 1] = i
    end
end
return outdated
