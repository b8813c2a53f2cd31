#!lua flags=allow-oom
-- ARGV: life in seconds, then one after the other: the reply stream of an api process, the answer.
in_memory_only()
local oldest = now_ms() - ARGV[1] * 1000
for at = 2, #ARGV, 2 do
  redis.call('XADD', ARGV[at], 'MINID', '~', oldest, '*', 'answer', ARGV[at + 1])
  redis.call('EXPIRE', ARGV[at], ARGV[1])
end
