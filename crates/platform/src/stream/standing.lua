#!lua flags=no-writes
-- How the stream stands: what is left to count, and what monitoring wants to know.
--
-- KEYS  1  the stream   2  the dead-letter stream
-- ARGV  1  group
-- Reply  entries in the stream; entries that the group has not read; entries that are read and not
--        acknowledged; how old the oldest of these is, in ms; consumers; dead letters

local stream, rejected, group = KEYS[1], KEYS[2], ARGV[1]

local length = redis.call('XLEN', stream)
-- Without a group nothing is read yet.
local lag, pending, age, consumers = length, 0, 0, 0

local groups = redis.pcall('XINFO', 'GROUPS', stream)
-- Redis answers with an error where there is no stream.
for _, info in ipairs(groups.err and {} or groups) do
    local fields = {}
    for i = 1, #info, 2 do
        fields[info[i]] = info[i + 1]
    end
    if fields.name == group then
        -- Redis does not know the lag after an XDEL among the unread: then they are counted.
        lag = fields.lag or #redis.call('XRANGE', stream, '(' .. fields['last-delivered-id'], '+')
        pending, consumers = fields.pending, fields.consumers
        local oldest = redis.call('XPENDING', stream, group)[2]
        if oldest then
            local now = redis.call('TIME')
            local appended = tonumber(string.match(oldest, '^%d+'))
            age = math.max(0, tonumber(now[1]) * 1000 + tonumber(now[2]) / 1000 - appended)
        end
    end
end

return { length, lag, pending, math.floor(age), consumers, redis.call('XLEN', rejected) }
