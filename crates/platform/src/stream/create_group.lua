#!lua flags=allow-oom
-- Creates the consumer group, and the stream if need be. Counting must go on when memory is short, and
-- a group takes next to none, hence allow-oom.
--
-- KEYS  1  the stream
-- ARGV  1  group
-- Reply  OK, or the error BUSYGROUP if it is there

return redis.call('XGROUP', 'CREATE', KEYS[1], ARGV[1], '0', 'MKSTREAM')
