#!lua flags=no-writes
-- Which of these polls are not published in their newest revision.
--
-- KEYS  1… the definition of each poll
-- ARGV  for each poll: its revision, and 1 if it is gone or else 0
-- Reply  for each of them its place, from 1

local outdated = {}
for i, definition in ipairs(KEYS) do
    local revision, gone = tonumber(ARGV[2 * i - 1]), ARGV[2 * i] == '1'
    local known = redis.pcall('HGET', definition, 'revision')
    if type(known) == 'string' then
        -- What somebody else has written there may be no number, or none that compares.
        if not ((tonumber(known) or -1) >= revision) then
            outdated[#outdated + 1] = i
        end
    -- Nothing is a good definition of a poll that is gone; an error says that something else is there.
    elseif known or not gone then
        outdated[#outdated + 1] = i
    end
end
return outdated
