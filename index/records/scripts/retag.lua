#!lua
-- ARGV: item, tags. The gallery version with the new tags, or nil when the item is not there.
local item, tags = ARGV[1], ARGV[2]
local tracks = redis.call('HGET', ITEM .. item, 'tracks')
if not tracks then return false end
redis.call('HSET', ITEM .. item, 'tags', tags)
for ordinal = 0, tonumber(tracks) - 1 do
  local track = string.format('%s-%04d', item, ordinal)
  local record = redis.call('HGET', TRACK .. track, 'record')
  if record then
    redis.call('HSET', TRACK .. track, 'tags', tags)
    write_log('update', track, record, tags, '')
  end
end
return tonumber(redis.call('HGET', META, 'seq') or 0)
