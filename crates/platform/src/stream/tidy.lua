#!lua flags=allow-oom
-- Trims entries that every group has acknowledged and that are old, and forgets consumers that are
-- gone: what they held was claimed long ago.
--
-- KEYS  1  the stream
-- ARGV  1  group   2  for how long an acknowledged entry stays, in ms
--       3  after how many ms without a sign a consumer that holds nothing is gone
-- Reply  entries trimmed, consumers forgotten

local stream, group = KEYS[1], ARGV[1]

-- Ids are two 64-bit numbers, more than a Lua number can tell apart; as text the longer is the greater.
local function precedes(a, b)
    local a_ms, a_seq = string.match(a, '^(%d+)-(%d+)$')
    local b_ms, b_seq = string.match(b, '^(%d+)-(%d+)$')
    if a_ms ~= b_ms then
        a_seq, b_seq = a_ms, b_ms
    end
    if #a_seq ~= #b_seq then
        return #a_seq < #b_seq
    end
    return a_seq < b_seq
end

local function field(reply, name)
    for i = 1, #reply, 2 do
        if reply[i] == name then
            return reply[i + 1]
        end
    end
end

local now = redis.call('TIME')
local now_ms = tonumber(now[1]) * 1000 + math.floor(tonumber(now[2]) / 1000)
local keep = string.format('%d-0', math.max(0, now_ms - tonumber(ARGV[2])))

-- Whatever some group has yet to read, or to acknowledge, stays.
for _, info in ipairs(redis.call('XINFO', 'GROUPS', stream)) do
    local read = field(info, 'last-delivered-id')
    local oldest = redis.call('XPENDING', stream, field(info, 'name'))[2]
    if precedes(read, keep) then
        keep = read
    end
    if oldest and precedes(oldest, keep) then
        keep = oldest
    end
end
local trimmed = redis.call('XTRIM', stream, 'MINID', '~', keep)

local forgotten = 0
for _, info in ipairs(redis.call('XINFO', 'CONSUMERS', stream, group)) do
    if field(info, 'pending') == 0 and field(info, 'idle') > tonumber(ARGV[3]) then
        redis.call('XGROUP', 'DELCONSUMER', stream, group, field(info, 'name'))
        forgotten = forgotten + 1
    end
end

return { trimmed, forgotten }
