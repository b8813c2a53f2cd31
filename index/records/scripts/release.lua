#!lua
-- ARGV: which slots, holder. Gives a slot back; one that is not held is no error.
if ARGV[1] == 'query' then in_memory_only() end
return redis.call('ZREM', SLOTS .. ARGV[1], ARGV[2])
