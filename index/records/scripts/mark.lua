#!lua flags=allow-oom
-- ARGV: erase job, place. Marks the place as done; 1 when the whole proof is, 0 when not, nil when there is no such job.
local key = JOB .. ARGV[1]
if redis.call('HEXISTS', key, 'proof:' .. ARGV[2]) == 0 then return false end
redis.call('HSET', key, 'proof:' .. ARGV[2], 'done')
local fields = redis.call('HGETALL', key)
for i = 1, #fields, 2 do
  if string.sub(fields[i], 1, 6) == 'proof:' and fields[i + 1] ~= 'done' then return 0 end
end
set_state(ARGV[1], 'done')
redis.call('ZREM', ERASURES, ARGV[1])
tell('erase', ARGV[1], 'done')
return 1
