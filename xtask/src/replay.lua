#!lua
-- Appends dead letters to the stream again, each as the entry that it was, and only then takes it out of the
-- dead letters. One that is not there any more was put back, or dropped, before.
--
-- An entry without a vote id had its stream id for one. It gets that as `vote_id`, so that it counts once however
-- often it is in the stream; and its stream id as `first_id`, from which the rest follows that did from that id.
--
-- KEYS  1  the dead letters   2  the stream
-- ARGV  1  what follows the stream id in the id of a vote that came without one: `@` and the cell, or nothing
--       2… ids of dead letters
-- Reply  for each of them: `replayed`, `gone`, or `cut` if it was larger than what a dead letter keeps

local rejected, stream, suffix = KEYS[1], KEYS[2], ARGV[1]

local function replay(id)
    local letter = redis.call('XRANGE', rejected, id, id)[1]
    if not letter then
        return 'gone'
    end
    -- `reason` and `stream_id` come first: see reject.lua.
    local fields, entry, has = letter[2], {}, {}
    for i = 5, #fields do
        entry[i - 4] = fields[i]
        has[fields[i]] = i % 2 == 1 and fields[i + 1] or has[fields[i]]
    end
    if #entry == 0 or #entry > 3 and entry[#entry - 3] == 'entry_fields' and entry[#entry - 1] == 'entry_bytes' then
        return 'cut'
    end
    local first = has.first_id or fields[4]
    if not has.vote_id then
        entry[#entry + 1], entry[#entry + 2] = 'vote_id', first .. suffix
    end
    if not has.first_id then
        entry[#entry + 1], entry[#entry + 2] = 'first_id', first
    end
    redis.call('XADD', stream, '*', unpack(entry))
    redis.call('XDEL', rejected, id)
    return 'replayed'
end

local reply = {}
for i = 2, #ARGV do
    reply[i - 1] = replay(ARGV[i])
end
return reply
