#!lua flags=allow-oom
-- Copies entries that cannot be counted to the dead-letter stream, each with the reason, and only then
-- acknowledges them. One that cannot be copied is not acknowledged, and stops no other.
--
-- Of each entry at most MOST_FIELDS fields are copied, and of each name and value at most LONGEST bytes.
-- Where that leaves something out, the dead letter says how large the entry was.
--
-- KEYS  1  the stream   2  the dead-letter stream
-- ARGV  1  group, then two values an entry: its id, the reason
-- Reply  how many were moved, how many could not be, and what Redis said of the last of these. An entry
--        that is acknowledged already is left where it is.

local LONGEST = 1020
local MOST_FIELDS = 64

local stream, rejected, group = KEYS[1], KEYS[2], ARGV[1]

local function dead_letter(id, reason)
    local letter = { 'XADD', rejected, '*', 'reason', reason, 'stream_id', id }
    local found = redis.call('XRANGE', stream, id, id)[1]
    local names_and_values = found and found[2] or {}
    local bytes, whole = 0, #names_and_values <= 2 * MOST_FIELDS
    for i, text in ipairs(names_and_values) do
        bytes = bytes + #text
        whole = whole and #text <= LONGEST
        if i <= 2 * MOST_FIELDS then
            letter[#letter + 1] = string.sub(text, 1, LONGEST)
        end
    end
    if not whole then
        for _, text in ipairs({ 'entry_fields', #names_and_values / 2, 'entry_bytes', bytes }) do
            letter[#letter + 1] = text
        end
    end
    return letter
end

local moved, left, said = 0, 0, ''
for i = 2, #ARGV, 2 do
    local id, reason = ARGV[i], ARGV[i + 1]
    if #redis.call('XPENDING', stream, group, id, id, 1) == 1 then
        local copied = redis.pcall(unpack(dead_letter(id, reason)))
        if type(copied) == 'table' and copied.err then
            left, said = left + 1, copied.err
        else
            redis.call('XACK', stream, group, id)
            moved = moved + 1
        end
    end
end
return { moved, left, said }
