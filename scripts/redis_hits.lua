-- redis_hits.lua — counts visits in a Redis, so that the numbers outlive this service and can be
-- shared by several. Each line names a page; the answer is how often it was named so far.
-- Shows: a service that asks another and serves on meanwhile; a pool of connections.
-- Try it:  moonport scripts/redis_hits.lua        with a Redis at 127.0.0.1:6379, or
--          REDIS=redis.example:6379 moonport scripts/redis_hits.lua     and in another terminal
--          printf '/moon\n/moon\n/sun\n' | nc -N 127.0.0.1 7700

local log = require "moonport.log"
local pool = require "moonport.pool"

local redis = pool.new(os.getenv("REDIS") or "127.0.0.1:6379", { size = 4, timeout = 2 })

-- A request in the protocol of Redis: the number of words, and each with its length.
local function request(...)
  local words = { "*" .. select("#", ...) }
  for _, word in ipairs { ... } do words[#words + 1] = "$" .. #word .. "\r\n" .. word end
  return table.concat(words, "\r\n") .. "\r\n"
end

local function count_hit(conn, page)
  conn:send(request("INCR", "hits:" .. page))
  local answer, code = conn:recv_line()
  if not answer then return nil, code end
  local hits = answer:match("^:(%d+)$")
  if hits then return hits end
  return false, answer -- Redis refused, and the connection is as good as before
end

return {
  listen = 7700,
  frame = "line",
  limits = { message = 200 },

  on_message = function(conn, page)
    local hits, code, detail = redis:with(count_hit, page)
    if not hits then
      log.warn("cannot count %s: %s %s", page, code, detail or "")
      conn:send("sorry, nobody counts now\n")
    else
      conn:send(hits .. "\n")
    end
  end,
}
