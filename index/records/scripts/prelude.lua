-- Shared by every script. The names in capitals (META, LOG, ITEM ...) are put before this text by scripting.py.
-- KEYS[1] is the prefix of the space, KEYS[2] the stream of events.
local WEEK_S = 604800 -- a job that ended is remembered for so long

-- Queries and what belongs to them live for seconds: nothing of them is written to disk (or sent to a replica), so no
-- query waits for the disk, nor makes an upload wait. A server that starts again has forgotten them; their clients have
-- their 503 by then.
local function in_memory_only()
  redis.set_repl(redis.REPL_NONE)
end

local function now_ms()
  local t = redis.call('TIME')
  return tonumber(t[1]) * 1000 + math.floor(tonumber(t[2]) / 1000)
end

-- Sums mod 2^64 on 16 hex digits, in two halves of 32 bits: a Lua number holds 53.
local function halves(hex)
  return tonumber(string.sub(hex, 1, 8), 16), tonumber(string.sub(hex, 9, 16), 16)
end

local function sum64(a, b, sign)
  local ah, al = halves(a)
  local bh, bl = halves(b)
  local low = al + sign * bl
  local high = ah + sign * bh + math.floor(low / 4294967296)
  return string.format('%08x%08x', high % 4294967296, low % 4294967296)
end

local function tell(kind, id, state)
  redis.call('XADD', KEYS[2], 'MAXLEN', '~', 4096, '*', 'kind', kind, 'id', id, 'state', state)
end

-- A job is in exactly one of the sets of states.
local function set_state(job, state)
  local key = JOB .. job
  local before = redis.call('HGET', key, 'state')
  if before then redis.call('ZREM', JOBS .. before, job) end
  redis.call('ZADD', JOBS .. state, 0, job)
  redis.call('HSET', key, 'state', state, 'updated', now_ms())
  if state == 'done' or state == 'cancelled' then
    redis.call('EXPIRE', key, WEEK_S)
    -- Ids begin with their time: names of jobs whose records have expired do not gather.
    redis.call('ZREMRANGEBYLEX', JOBS .. state, '-', string.format('(%012x', now_ms() - 2 * WEEK_S * 1000))
  end
end

-- Count, sum and the log move together: the entry says what the gallery holds after it.
local function account(kind, digest, sign)
  local count = redis.call('HINCRBY', META, 'count', sign)
  local sum = sum64(redis.call('HGET', META, 'sum') or '0000000000000000', digest, sign)
  redis.call('HSET', META, 'sum', sum)
  redis.call('HINCRBY', META, kind .. 's', sign)
  return count, sum
end

local function write_log(operation, track, record, tags, vector)
  local seq = redis.call('HINCRBY', META, 'seq', 1)
  local held = redis.call('HMGET', META, 'count', 'sum')
  redis.call('XADD', LOG, seq .. '-0', 'o', operation, 't', track, 'b', record, 'g', tags, 'v', vector,
    'n', held[1] or 0, 's', held[2] or '0000000000000000')
  return seq
end

local function drop_entry(entry)
  if entry and entry ~= '' then
    redis.call('XACK', INGEST, 'workers', entry)
    redis.call('XDEL', INGEST, entry)
  end
end

local function bury(job, item, entry, problem, retryable)
  drop_entry(entry)
  set_state(job, 'dead')
  redis.call('HSET', JOB .. job, 'error', problem, 'retryable', retryable)
  redis.call('HSET', ITEM .. item, 'status', 'failed')
  redis.call('ZREM', SLOTS .. 'ingest', item)
  tell('job', job, 'dead')
end

local function enqueue(job)
  local entry = redis.call('XADD', INGEST, '*', 'job', job)
  redis.call('HSET', JOB .. job, 'entry', entry)
  set_state(job, 'queued')
end

-- Whether the holder of this token still owns the job.
local function owns(job, token)
  local held = redis.call('HMGET', JOB .. job, 'state', 'token')
  return held[1] == 'running' and held[2] == token
end
