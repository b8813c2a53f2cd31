#!lua flags=allow-oom
-- ARGV: idle time in ms. Drops the names of workers that are long gone from both groups; how many went.
-- One with entries in hand is kept: DELCONSUMER would lose them. In a script, so that none is handed out meanwhile.
local gone = 0
for _, stream in ipairs({INGEST, QUERY}) do
  for _, consumer in ipairs(redis.call('XINFO', 'CONSUMERS', stream, 'workers')) do
    local held = {}
    for i = 1, #consumer, 2 do held[consumer[i]] = consumer[i + 1] end
    if held['pending'] == 0 and held['idle'] >= tonumber(ARGV[1]) then
      redis.call('XGROUP', 'DELCONSUMER', stream, 'workers', held['name'])
      gone = gone + 1
    end
  end
end
return gone
