#!lua
-- ARGV: job, token, stream entry, kind, then for each track: id, record, vector, digest.
-- The gallery version that holds the item, or nil when the lease belongs to somebody else: then nothing is written.
local job, token, entry, kind = ARGV[1], ARGV[2], ARGV[3], ARGV[4]
local key = JOB .. job
if not owns(job, token) then
  -- The same call once more, because its answer was lost on the way.
  local held = redis.call('HMGET', key, 'state', 'token', 'version')
  if held[1] ~= 'done' or held[2] ~= token then return false end
  redis.call('HSET', key, 'version', held[3]) -- so that WAITAOF speaks of the first call's writes, too
  return tonumber(held[3])
end
local item = redis.call('HGET', key, 'item')
local tags = redis.call('HGET', ITEM .. item, 'tags')
local tracks = 0
for i = 5, #ARGV, 4 do
  local track, record, vector, digest = ARGV[i], ARGV[i + 1], ARGV[i + 2], ARGV[i + 3]
  account(kind, digest, 1)
  local seq = write_log('add', track, record, tags, vector)
  redis.call('HSET', TRACK .. track, 'record', record, 'tags', tags, 'vector', vector, 'digest', digest, 'seq', seq)
  tracks = tracks + 1
end
local version = tonumber(redis.call('HGET', META, 'seq') or 0)
redis.call('HSET', ITEM .. item, 'status', 'ready', 'tracks', tracks, 'version', version)
redis.call('HSET', key, 'version', version)
redis.call('HDEL', key, 'error')
set_state(job, 'done')
drop_entry(entry)
redis.call('ZREM', SLOTS .. 'ingest', item)
tell('job', job, 'done')
return version
