#!lua flags=allow-oom
-- Whether all definitions have been published since Redis started: it may have come back without the last of
-- them, or without any. Says so from then on if the caller has seen to it.
--
-- KEYS  1  since which start of Redis all are published
-- ARGV  1  1 if the caller has published all, else 0
-- Reply  1 if all are published, else 0

local run_id = string.match(redis.call('INFO', 'server'), '\nrun_id:(%x+)')
if ARGV[1] == '1' then
    redis.call('SET', KEYS[1], run_id)
    return 1
end
return redis.call('GET', KEYS[1]) == run_id and 1 or 0
