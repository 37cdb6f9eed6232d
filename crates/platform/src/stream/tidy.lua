#!lua flags=allow-oom
-- Trims what is settled: entries that every group has acknowledged. The old ones always; where memory is
-- short, also younger ones, the oldest first, and with each what its idempotency key is remembered by. So
-- what is counted makes room before Redis refuses a vote. Forgets consumers that are gone, too: what they
-- held was claimed long ago.
--
-- Without the consumer group nothing is settled: nobody has read anything.
--
-- KEYS  1  the stream
--       2  a flag: somebody has tidied a moment ago
--       3  how many entries were trimmed before their time, ever
-- ARGV  1  group   2  for how long an acknowledged entry stays, in ms
--       3  after how many ms without a sign a consumer that holds nothing is gone
--       4  how often to tidy at most, in ms; 0: at once
--       5  how much of maxmemory may be used before entries are trimmed early, in per cent
--       6  what the names of remembered idempotency keys begin with; poll and vote id follow
-- Reply  old entries trimmed, entries trimmed early, consumers forgotten, and 1 if more waits to be trimmed

-- What one call trims at most, of either kind: a few milliseconds of Redis' time.
local OLD, EARLY = 10000, 2000
-- Entries trimmed early are read first, for their keys: so many at a time, until so many bytes were read.
-- An entry may be large, whatever it holds.
local CHUNK, BYTES = 10, 1024 * 1024
local CONSUMERS = 100

local stream, flag, early_total = KEYS[1], KEYS[2], KEYS[3]
local group, retention, gone_after = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3])
local every, share, remembered = tonumber(ARGV[4]), tonumber(ARGV[5]), ARGV[6]

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

-- A reply that is a flat list of names and values, as a table.
local function table_of(reply)
    local fields = {}
    for i = 1, #reply, 2 do
        fields[reply[i]] = reply[i + 1]
    end
    return fields
end

local function memory_is_short()
    local memory = redis.call('INFO', 'memory')
    local used = tonumber(string.match(memory, '\nused_memory:(%d+)'))
    local most = tonumber(string.match(memory, '\nmaxmemory:(%d+)'))
    return most > 0 and used > most * share / 100
end

-- Trims settled entries whatever their age, and forgets their keys.
local function trim_early(settled)
    -- Redis knows no id before this one, to end before.
    if settled == '0-0' then
        return 0
    end
    local from, entries, bytes, next_id = '-', 0, 0, nil
    while entries < EARLY and bytes < BYTES do
        local chunk = redis.call('XRANGE', stream, from, '(' .. settled, 'COUNT', CHUNK)
        if #chunk == 0 then
            break
        end
        local keys = {}
        for _, entry in ipairs(chunk) do
            local fields = table_of(entry[2])
            for _, text in ipairs(entry[2]) do
                bytes = bytes + #text
            end
            if fields.vote_id then
                keys[#keys + 1] = remembered .. (fields.poll or 'default') .. ':' .. fields.vote_id
            end
        end
        if #keys > 0 then
            redis.call('UNLINK', unpack(keys))
        end
        entries = entries + #chunk
        next_id = chunk[#chunk][1]
        from = '(' .. next_id
    end
    -- The last of them stays for now: it says where the next call begins.
    local trimmed = next_id and redis.call('XTRIM', stream, 'MINID', next_id) or 0
    if trimmed > 0 then
        redis.call('INCRBY', early_total, trimmed)
    end
    return trimmed
end

if every > 0 and not redis.call('SET', flag, '', 'NX', 'PX', every) then
    return { 0, 0, 0, 0 }
end

-- Redis answers with an error where there is no stream.
local groups = redis.pcall('XINFO', 'GROUPS', stream)
local own, settled = nil, nil
for _, info in ipairs(groups.err and {} or groups) do
    info = table_of(info)
    if info.name == group then
        own = info
    end
    -- Whatever some group has yet to read, or to acknowledge, stays.
    local oldest = redis.call('XPENDING', stream, info.name, '-', '+', 1)[1]
    for _, id in ipairs({ info['last-delivered-id'], oldest and oldest[1] }) do
        if not settled or precedes(id, settled) then
            settled = id
        end
    end
end
if not own then
    return { 0, 0, 0, 0 }
end

-- Redis 7 forgets with a restart how many entries the group has read: it may say
-- none, and then its lag is too great; or it may say that it does not know, and then with the next vote it does
-- not know its lag, which an autoscaler takes for none. Where everything is read, we can tell it.
if every == 0 and own.pending == 0 and (own.lag ~= 0 or not own['entries-read']) then
    local last = own['last-delivered-id']
    if #redis.call('XRANGE', stream, '(' .. last, '+', 'COUNT', 1) == 0 then
        local added = table_of(redis.call('XINFO', 'STREAM', stream))['entries-added']
        redis.call('XGROUP', 'SETID', stream, group, last, 'ENTRIESREAD', added)
    end
end

local now = redis.call('TIME')
local now_ms = tonumber(now[1]) * 1000 + math.floor(tonumber(now[2]) / 1000)
local keep = string.format('%d-0', math.max(0, now_ms - retention))
if precedes(settled, keep) then
    keep = settled
end
local old = redis.call('XTRIM', stream, 'MINID', '~', keep, 'LIMIT', OLD)
local early = memory_is_short() and trim_early(settled) or 0

local forgotten = 0
for _, info in ipairs(redis.call('XINFO', 'CONSUMERS', stream, group)) do
    local consumer = table_of(info)
    if consumer.pending == 0 and consumer.idle > gone_after and forgotten < CONSUMERS then
        redis.call('XGROUP', 'DELCONSUMER', stream, group, consumer.name)
        forgotten = forgotten + 1
    end
end

-- A node of the stream goes as a whole, so that a call may fall a little short of what it may trim.
local more = (old > OLD / 2 or early > 0) and 1 or 0
return { old, early, forgotten, more }
