#!lua flags=allow-oom
-- Counts votes that the policy refuses, by the code of the refusal. A vote whose key is remembered was recorded when
-- the policy allowed it: it is not counted here, and the caller is told what came of it.
--
-- KEYS  1  how many votes were refused, a hash by code
--       2… for each vote, what its id is remembered by, if it is
-- ARGV  1  how many codes are counted by themselves: those that come later are counted as `other`
--       2… for each vote: the code, or `policy_failed` if the policy gave none; 1 if its id is remembered, else 0
-- Reply  for each vote: how many values follow, and these, one of
--        'refused'
--        'appended', the stream id, and the option that was appended under it

local refused, most = KEYS[1], tonumber(ARGV[1])

local reply, at = {}, 1
for vote = 2, #ARGV, 2 do
    local code, remembered = ARGV[vote], false
    if ARGV[vote + 1] == '1' then
        at = at + 1
        remembered = redis.call('GET', KEYS[at])
    end
    if remembered then
        local id, option = string.match(remembered, '^(%S+) (.*)$')
        reply[#reply + 1] = 3
        reply[#reply + 1] = 'appended'
        reply[#reply + 1] = id
        reply[#reply + 1] = option
    else
        if code ~= 'policy_failed' and redis.call('HEXISTS', refused, code) == 0 and redis.call('HLEN', refused) >= most then
            code = 'other'
        end
        redis.call('HINCRBY', refused, code, 1)
        reply[#reply + 1] = 1
        reply[#reply + 1] = 'refused'
    end
end
return reply
