#!lua
-- ARGV: item id, kind, record, tags, idempotency key ('' for none), body hash, life of the key in s.
-- {'accepted' | 'replayed' | 'conflict', item id}
local item, kind = ARGV[1], ARGV[2]
local idem = ARGV[5] ~= '' and IDEMPOTENCY .. ARGV[5] or ''
if idem ~= '' then
  local seen = redis.call('HMGET', idem, 'item', 'hash')
  if seen[1] and seen[1] ~= item then
    -- Written once more, so that WAITAOF speaks of the first answer's writes, too: they came before this one.
    redis.call('HSET', idem, 'item', seen[1])
    return {seen[2] == ARGV[6] and 'replayed' or 'conflict', seen[1]}
  end
end
-- A client library that lost the answer sends the script again; it must not be carried out twice.
if redis.call('EXISTS', ITEM .. item) == 1 then
  redis.call('HSET', ITEM .. item, 'idempotency', idem)
  return {'accepted', item}
end
redis.call('HSET', ITEM .. item, 'record', ARGV[3], 'tags', ARGV[4], 'status', 'queued', 'tracks', 0, 'idempotency', idem)
redis.call('ZADD', ITEMS .. kind, 0, item)
redis.call('HSET', JOB .. item, 'kind', 'ingest', 'item', item, 'item_kind', kind, 'attempts', 0, 'token', 0,
  'created', now_ms(), 'retryable', 1)
enqueue(item)
redis.call('ZADD', SLOTS .. 'ingest', '+inf', item)
if idem ~= '' then
  redis.call('HSET', idem, 'item', item, 'hash', ARGV[6])
  redis.call('EXPIRE', idem, ARGV[7])
end
return {'accepted', item}
