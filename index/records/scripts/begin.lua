#!lua
-- ARGV: job, stream entry, consumer, most attempts, the problem of a job that used them up.
-- nil: nothing to do with this entry; else {token, attempt, record, tags, status, tracks, version}
local job, entry = ARGV[1], ARGV[2]
local key = JOB .. job
-- A worker that slept since it was handed the entry must not take the job from the one that has it now.
if #redis.call('XPENDING', INGEST, 'workers', entry, entry, 1, ARGV[3]) == 0 then return false end
local held = redis.call('HMGET', key, 'state', 'entry', 'attempts', 'item')
local state, attempts, item = held[1], tonumber(held[3] or 0), held[4]
if (state ~= 'queued' and state ~= 'running') or held[2] ~= entry then
  drop_entry(entry)
  return false
end
if attempts >= tonumber(ARGV[4]) then
  bury(job, item, entry, ARGV[5], 1)
  return false
end
-- Before any work: a job that kills its worker every time must come to an end.
redis.call('HINCRBY', key, 'attempts', 1)
local token = redis.call('HINCRBY', key, 'token', 1)
set_state(job, 'running')
tell('job', job, 'running')
local kept = redis.call('HMGET', ITEM .. item, 'record', 'tags', 'status', 'tracks', 'version')
return {token, attempts + 1, kept[1], kept[2], kept[3], kept[4], kept[5] or ''}
