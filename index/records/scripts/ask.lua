#!lua
-- ARGV: the fields of a query, names and values in turn. The id of its entry.
in_memory_only()
return redis.call('XADD', QUERY, '*', unpack(ARGV))
