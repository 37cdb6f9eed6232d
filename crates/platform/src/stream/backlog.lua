#!lua flags=no-writes
-- How many entries are not counted yet: those that nobody has read, and those that were read and are
-- not acknowledged.
--
-- KEYS  1  the stream
-- ARGV  1  group
-- Reply  the number of them

local stream, group = KEYS[1], ARGV[1]

for _, info in ipairs(redis.call('XINFO', 'GROUPS', stream)) do
    local fields = {}
    for i = 1, #info, 2 do
        fields[info[i]] = info[i + 1]
    end
    if fields.name == group then
        -- Redis does not know the lag after an XDEL among the unread: then they are counted.
        local lag = fields.lag
            or #redis.call('XRANGE', stream, '(' .. fields['last-delivered-id'], '+')
        return fields.pending + lag
    end
end
return redis.error_reply('NOGROUP no such consumer group')
