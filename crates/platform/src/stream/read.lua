#!lua flags=allow-oom
-- Takes entries for a consumer: first those that another took and did not acknowledge in time, then
-- new ones. Counting must go on when memory is short, hence allow-oom.
--
-- KEYS  1  the stream
-- ARGV  1  group   2  consumer   3  how many at most   4  after how many ms an entry is stale
-- Reply  six values an entry, nil where a field is absent: id, option, poll, vote_id, voter, timestamp.
--        Always six, because Spin gives a reply as one flat list.

local stream, group, consumer, most = KEYS[1], ARGV[1], ARGV[2], tonumber(ARGV[3])

local entries = redis.call('XAUTOCLAIM', stream, group, consumer, ARGV[4], '0-0', 'COUNT', most)[2]

if #entries < most then
    local new = redis.call(
        'XREADGROUP', 'GROUP', group, consumer, 'COUNT', most - #entries, 'STREAMS', stream, '>'
    )
    for _, entry in ipairs(new and new[1][2] or {}) do
        entries[#entries + 1] = entry
    end
end

local reply = {}
for _, entry in ipairs(entries) do
    local fields = {}
    for i = 1, #entry[2], 2 do
        fields[entry[2][i]] = entry[2][i + 1]
    end
    local at = #reply
    reply[at + 1] = entry[1]
    reply[at + 2] = fields.option or fields.vote or false
    reply[at + 3] = fields.poll or false
    reply[at + 4] = fields.vote_id or false
    reply[at + 5] = fields.voter or false
    reply[at + 6] = fields.timestamp or false
end
return reply
