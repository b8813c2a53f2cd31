-- ARGV: job, token, stream entry, problem, wait in ms (-1: never again), most attempts.
-- The state the job is in now, or nil when the lease belongs to somebody else.
local job, token, entry = ARGV[1], ARGV[2], ARGV[3]
if not owns(job, token) then return false end
local key = JOB .. job
local wait = tonumber(ARGV[5])
local held = redis.call('HMGET', key, 'item', 'attempts')
if wait < 0 or tonumber(held[2]) >= tonumber(ARGV[6]) then
  bury(job, held[1], entry, ARGV[4], wait < 0 and 0 or 1)
  return 'dead'
end
drop_entry(entry)
redis.call('HSET', key, 'error', ARGV[4], 'entry', '')
set_state(job, 'retrying')
redis.call('ZADD', RETRY, now_ms() + wait, job)
tell('job', job, 'retrying')
return 'retrying'
