#!lua flags=allow-oom
-- ARGV: item, kind, id of the erase job, then the places of the proof: name, state ...
-- The log position after which the item is gone, or nil when it is not there.
local item, kind, erasure = ARGV[1], ARGV[2], ARGV[3]
local held = redis.call('HMGET', ITEM .. item, 'record', 'tracks', 'idempotency')
if not held[1] or not redis.call('ZSCORE', ITEMS .. kind, item) then return false end

-- From here on no lease on the job is good for anything.
local job = redis.call('HMGET', JOB .. item, 'state', 'entry')
drop_entry(job[2])
redis.call('ZREM', RETRY, item)
redis.call('ZREM', SLOTS .. 'ingest', item)
redis.call('ZREM', JOBS .. 'done', item) -- even where the record of a job long done has expired
if job[1] == 'done' then
  redis.call('DEL', JOB .. item)
elseif job[1] then
  redis.call('HINCRBY', JOB .. item, 'token', 1)
  redis.call('HDEL', JOB .. item, 'error', 'entry', 'failed', 'verdict')
  set_state(item, 'cancelled')
  tell('job', item, 'cancelled')
end

for ordinal = 0, tonumber(held[2]) - 1 do
  local track = string.format('%s-%04d', item, ordinal)
  local digest = redis.call('HGET', TRACK .. track, 'digest')
  if digest then
    account(kind, digest, -1)
    write_log('remove', track, '{}', '{}', '')
    redis.call('DEL', TRACK .. track)
  end
end
redis.call('DEL', ITEM .. item)
redis.call('ZREM', ITEMS .. kind, item)
-- After its 24 hours the same key may belong to another upload.
if held[3] and held[3] ~= '' and redis.call('HGET', held[3], 'item') == item then redis.call('DEL', held[3]) end

local seq = tonumber(redis.call('HGET', META, 'seq') or 0)
local key = JOB .. erasure
redis.call('HSET', key, 'kind', 'erase', 'item', item, 'item_kind', kind, 'attempts', 0, 'created', now_ms(), 'version', seq)
for i = 4, #ARGV, 2 do redis.call('HSET', key, 'proof:' .. ARGV[i], ARGV[i + 1]) end
set_state(erasure, 'running')
redis.call('ZADD', ERASURES, seq, erasure)
tell('erase', erasure, 'running')
return seq
