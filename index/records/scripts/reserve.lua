#!lua
-- ARGV: which slots, holder, limit, life in ms. 1: reserved (or already held), 0: all are taken.
local slots = SLOTS .. ARGV[1]
local now = now_ms()
if ARGV[1] == 'query' then in_memory_only() end
redis.call('ZREMRANGEBYSCORE', slots, '-inf', now)
if redis.call('ZSCORE', slots, ARGV[2]) then return 1 end
if redis.call('ZCARD', slots) >= tonumber(ARGV[3]) then return 0 end
redis.call('ZADD', slots, now + tonumber(ARGV[4]), ARGV[2])
return 1
