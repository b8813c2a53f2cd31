#!lua flags=allow-oom
-- ARGV: job, token, stream entry, problem, wait in ms (-1: never again), most attempts.
-- The state the job is in now, or nil when the lease belongs to somebody else.
local job, token, entry = ARGV[1], ARGV[2], ARGV[3]
local key = JOB .. job
if not owns(job, token) then
  -- The same call once more, because its answer was lost on the way.
  local before = redis.call('HMGET', key, 'failed', 'verdict')
  if before[1] ~= token then return false end
  redis.call('HSET', key, 'failed', token) -- so that WAITAOF speaks of the first call's writes, too
  return before[2]
end
local wait = tonumber(ARGV[5])
local held = redis.call('HMGET', key, 'item', 'attempts')
if wait < 0 or tonumber(held[2]) >= tonumber(ARGV[6]) then
  bury(job, held[1], entry, ARGV[4], wait < 0 and 0 or 1)
  redis.call('HSET', key, 'failed', token, 'verdict', 'dead')
  return 'dead'
end
drop_entry(entry)
redis.call('HSET', key, 'error', ARGV[4], 'entry', '', 'failed', token, 'verdict', 'retrying')
set_state(job, 'retrying')
redis.call('ZADD', RETRY, now_ms() + wait, job)
tell('job', job, 'retrying')
return 'retrying'
