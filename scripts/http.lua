-- http.lua — an HTTP/1.1 server that says hello and keeps connections alive.
-- Shows: requests in a row, which the network cuts anywhere; a body that nobody wants; a timer.
-- Try it:  moonport scripts/http.lua        and in another terminal
--          curl -i http://127.0.0.1:8080/
--          wrk -c50 -d5s http://127.0.0.1:8080/

local answer = require "http.answer" -- http/answer.lua, beside this file
local read_head = require "http.head"

-- What the answer says of the connection: "close", "keep-alive", or "" where both know.
local function connection_of(request)
  local word = request.minor == "0" and "keep-alive" or "close"
  if request.connection and request.connection:find(word, 1, true) then return word end
  return request.minor == "0" and "close" or ""
end

local function refuse(conn, status)
  conn:send(answer.refusal(status))
  conn:close()
end

-- Reads the rest of a body that nobody wants; false when it does not come.
local function skip(conn, size)
  while size > 0 do
    local piece = conn:recv(size)
    if not piece then return false end
    size = size - #piece
  end
  return true
end

return {
  listen = 8080,

  on_open = function(conn) conn.head = {} end, -- of the request at hand: never shared between two

  on_data = function(conn, data)
    local at, head = 1, conn.head
    while at <= #data do
      local body, status = read_head(data, at, head)
      if body then
        local method, connection = head.method, connection_of(head)
        at = body + (head["content-length"] or 0)
        if head.expect and body > #data and head.minor ~= "0" then conn:send(answer.continue) end
        if at > #data + 1 and not skip(conn, at - #data - 1) then return conn:close() end
        local hello = answer.hello[method]
        if not hello then return refuse(conn, "501 Not Implemented") end
        conn:send(hello[connection])
        if connection == "close" then return conn:close() end
      elseif status then
        return refuse(conn, status)
      else
        local more = conn:recv()
        if not more then return conn:close() end
        data, at = data:sub(at) .. more, 1
      end
    end
  end,
}
