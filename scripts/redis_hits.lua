-- redis_hits.lua — counts visits in a Redis, so that the numbers outlive this service and can be
-- shared by several. Each line names a page; the answer is how often it was named so far.
-- Shows: a service that asks another and serves on meanwhile; a client that all connections share.
-- Try it:  moonport scripts/redis_hits.lua        with a Redis at 127.0.0.1:6379, or
--          REDIS=redis.example:6379 moonport scripts/redis_hits.lua     and in another terminal
--          printf '/moon\n/moon\n/sun\n' | moonport connect 7700

local log = require "moonport.log"
local redis = require "moonport.redis"

local client = redis.new(os.getenv("REDIS") or "127.0.0.1:6379", { timeout = 2 })

return {
  listen = 7700,
  frame = "line",
  limits = { message = 200 },

  on_message = function(conn, page)
    local hits, code, detail = client:call("INCR", "hits:" .. page)
    if not hits then
      log.warn("cannot count %s: %s", page, code == "error" and detail or code)
      conn:send("sorry, nobody counts now\n")
    else
      conn:send(hits .. "\n")
    end
  end,
}
