#!lua flags=allow-oom
-- ARGV: entries of queries that are answered, given up or unreadable.
in_memory_only()
redis.call('XACK', QUERY, 'workers', unpack(ARGV))
return redis.call('XDEL', QUERY, unpack(ARGV))
