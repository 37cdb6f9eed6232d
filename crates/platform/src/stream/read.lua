#!lua flags=allow-oom
-- Takes entries for a consumer: first those that another took and did not acknowledge in time, then
-- new ones. Counting must go on when memory is short, hence allow-oom.
--
-- Anything may append to the stream, values of hundreds of megabytes and thousands of fields included.
-- So entries are taken a few at a time, and no more once what was taken is large: one call reads at
-- most ENOUGH bytes and then STEP entries more. A value that is too long to be valid is not passed on.
--
-- KEYS  1  the stream
-- ARGV  1  group   2  consumer   3  how many at most   4  after how many ms an entry is stale
-- Reply  in MessagePack, for Spin passes on one string much faster than thousands of values: an array of 1 if more
--        may be there, else 0; then an array an entry, of its id and the values of FIELDS in their order, false where
--        a field is absent. In place of a value that is too long stands its length in bytes, a number. An entry that
--        has too many fields is an array of its id and their number.

-- The most bytes that a valid value has: 255 characters of four bytes.
local LONGEST = 1020
local MOST_FIELDS = 64
local FIELDS = { 'option', 'vote', 'poll', 'vote_id', 'voter', 'timestamp', 'accepted', 'first_id' }
local STEP = 64
local ENOUGH = 4 * 1024 * 1024
-- XAUTOCLAIM looks at ten entries for each that it may claim.
local MOST_LOOKS = 40

local stream, group, consumer, most = KEYS[1], ARGV[1], ARGV[2], tonumber(ARGV[3])

local reply, taken, bytes = { 0 }, 0, 0

local position = {}
for i, name in ipairs(FIELDS) do
    position[name] = i + 1
end

local function take(entries)
    for _, entry in ipairs(entries) do
        local names_and_values = entry[2]
        local fields = #names_and_values / 2
        local values = { entry[1], false, false, false, false, false, false, false, false }
        if fields > MOST_FIELDS then
            values = { entry[1], fields }
        end
        for i = 1, #names_and_values, 2 do
            local name, value = names_and_values[i], names_and_values[i + 1]
            bytes = bytes + #name + #value
            local at = fields <= MOST_FIELDS and position[name]
            if at then
                values[at] = #value > LONGEST and #value or value
            end
        end
        taken = taken + 1
        reply[taken + 1] = values
    end
    return #entries
end

-- How many to take next: few until it is known that entries are small.
local function step()
    return math.min(STEP, most - taken, taken + 1)
end

local function may_go_on()
    return taken < most and bytes < ENOUGH
end

local cursor, looks = '0-0', 0
repeat
    local claimed = redis.call('XAUTOCLAIM', stream, group, consumer, ARGV[4], cursor, 'COUNT', step())
    cursor, looks = claimed[1], looks + 1
    take(claimed[2])
until cursor == '0-0' or looks == MOST_LOOKS or not may_go_on()

local more = not may_go_on()
while not more do
    local new = redis.call('XREADGROUP', 'GROUP', group, consumer, 'COUNT', step(), 'STREAMS', stream, '>')
    if not new then
        break
    end
    take(new[1][2])
    more = not may_go_on()
end

reply[1] = more and 1 or 0
return cmsgpack.pack(reply)
