#!lua flags=no-writes
-- How the stream stands: what is left to count, and what monitoring wants to know. Of the stream it reads
-- one entry at most, the newest, and only while the group has not read that.
--
-- KEYS  1  the stream   2  the dead-letter stream
--       3  how many entries were trimmed before their time, ever
-- ARGV  1  group
-- Reply  whole numbers, -1 where Redis cannot tell:
--        entries in the stream
--        entries that the group has not read, and 1 if these are exactly so many, 0 if at most
--        entries that were read and are not acknowledged
--        of the oldest of these: how long ago it was last handed to a consumer, in ms, and how often it was
--        consumers
--        dead letters
--        entries that were ever appended
--        how far the newest id lies ahead of Redis' clock, in s
--        memory that Redis uses, and may use (0: no limit), in bytes
--        entries that were trimmed before their time, ever

local stream, rejected, early_total, group = KEYS[1], KEYS[2], KEYS[3], ARGV[1]

local length = redis.call('XLEN', stream)

local own
-- Redis answers with an error where there is no stream.
local groups = redis.pcall('XINFO', 'GROUPS', stream)
for _, info in ipairs(groups.err and {} or groups) do
    local fields = {}
    for i = 1, #info, 2 do
        fields[info[i]] = info[i + 1]
    end
    if fields.name == group then
        own = fields
    end
end

-- Without a group nothing is read yet.
local lag, exact, pending, idle, deliveries, consumers, added = length, 1, 0, 0, 0, 0, -1
local newest
if own then
    lag, pending, consumers = own.lag, own.pending, own.consumers
    if lag and own['entries-read'] then
        added = own['entries-read'] + lag
    end
    local oldest = redis.call('XPENDING', stream, group, '-', '+', 1)[1]
    if oldest then
        idle, deliveries = oldest[3], oldest[4]
    end
    newest = lag == 0 and own['last-delivered-id']
elseif length == 0 then
    added = 0
end

if not newest then
    local entry = redis.call('XREVRANGE', stream, '+', '-', 'COUNT', 1)[1]
    newest = entry and entry[1]
end
if not lag then
    -- Redis does not know the lag after a restart or an XDEL, until the group has caught up. To count
    -- what is unread would mean to read it all, which may be millions of entries.
    if newest and newest ~= own['last-delivered-id'] then
        lag, exact = length, 0
    else
        lag = 0
    end
end

local lead = 0
if newest then
    local now, ms = redis.call('TIME'), string.match(newest, '^%d+')
    lead = math.max(0, math.floor(tonumber(ms) / 1000 - tonumber(now[1])))
end

local letters = redis.pcall('XLEN', rejected)
local memory = redis.call('INFO', 'memory')
return {
    length, lag, exact, pending, idle, deliveries, consumers,
    type(letters) == 'number' and letters or -1,
    added, lead,
    tonumber(string.match(memory, '\nused_memory:(%d+)')),
    tonumber(string.match(memory, '\nmaxmemory:(%d+)')),
    tonumber(redis.call('GET', early_total) or 0),
}
