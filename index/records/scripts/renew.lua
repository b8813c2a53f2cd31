#!lua flags=allow-oom
-- ARGV: job, token, stream entry, consumer. 1: the lease goes on, 0: it belongs to somebody else.
if not owns(ARGV[1], ARGV[2]) then return 0 end
redis.call('XCLAIM', INGEST, 'workers', ARGV[4], 0, ARGV[3], 'JUSTID')
return 1
