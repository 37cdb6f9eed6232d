#!lua flags=allow-oom
-- Moves entries that cannot be counted to the dead-letter stream, with the reason and all their
-- fields, and acknowledges them: both or neither.
--
-- KEYS  1  the stream   2  the dead-letter stream
-- ARGV  1  group, then two values an entry: its id, the reason
-- Reply  how many were moved. An entry that is acknowledged already is left where it is.

local moved = 0
for i = 2, #ARGV, 2 do
    local id, reason = ARGV[i], ARGV[i + 1]
    if redis.call('XACK', KEYS[1], ARGV[1], id) == 1 then
        local found = redis.call('XRANGE', KEYS[1], id, id)[1]
        local fields = found and found[2] or {}
        redis.call('XADD', KEYS[2], '*', 'reason', reason, 'stream_id', id, unpack(fields))
        moved = moved + 1
    end
end
return moved
