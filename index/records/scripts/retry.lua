#!lua
-- ARGV: job. The state it was found in; 'dead' means that it is queued again, 'erased' that its media are gone.
local key = JOB .. ARGV[1]
local held = redis.call('HMGET', key, 'state', 'kind', 'retryable', 'item')
if held[1] ~= 'dead' or held[2] ~= 'ingest' then return held[1] end
if held[3] ~= '1' then return 'erased' end
redis.call('HSET', key, 'attempts', 0)
redis.call('HDEL', key, 'error')
redis.call('HSET', ITEM .. held[4], 'status', 'queued')
redis.call('ZADD', SLOTS .. 'ingest', '+inf', held[4])
enqueue(ARGV[1])
tell('job', ARGV[1], 'queued')
return 'dead'
