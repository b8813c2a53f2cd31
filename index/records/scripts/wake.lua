#!lua
-- ARGV: how many at most. Puts due retries back into the stream; ms until the next one is due, -1 for none.
local now = now_ms()
for _, job in ipairs(redis.call('ZRANGEBYSCORE', RETRY, '-inf', now, 'LIMIT', 0, ARGV[1])) do
  redis.call('ZREM', RETRY, job)
  if redis.call('HGET', JOB .. job, 'state') == 'retrying' then enqueue(job) end
end
local next = redis.call('ZRANGE', RETRY, 0, 0, 'WITHSCORES')
if #next == 0 then return -1 end
return math.max(0, tonumber(next[2]) - now)
