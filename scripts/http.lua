-- http.lua — an HTTP/1.1 server that says hello and keeps connections alive.
-- Shows: requests in a row, which the network cuts anywhere; a body that nobody wants; a timer.
-- Try it:  moonport scripts/http.lua        and in another terminal
--          curl -i http://127.0.0.1:8080/
--          wrk -c50 -d5s http://127.0.0.1:8080/

local timer = require "moonport.timer"
local read_head = require "http.head" -- http/head.lua, beside this file

local BODY = "Hello from moonport!\n"
local date
local answers -- by method and by what they say of the connection; made anew for each second

local function head(status, connection, size)
  return "HTTP/1.1 " .. status .. "\r\nServer: moonport\r\nDate: " .. date
    .. "\r\nContent-Type: text/plain\r\nContent-Length: " .. size
    .. (connection == "" and "" or "\r\nConnection: " .. connection) .. "\r\n\r\n"
end

local function tick()
  date = os.date("!%a, %d %b %Y %H:%M:%S GMT")
  local heads, whole = {}, {}
  for _, connection in ipairs { "", "close", "keep-alive" } do
    heads[connection] = head("200 OK", connection, #BODY)
    whole[connection] = heads[connection] .. BODY
  end
  answers = { GET = whole, POST = whole, HEAD = heads }
end

tick()
timer.every(1, tick)

local function refuse(conn, status)
  conn:send(head(status, "close", #status + 1) .. status .. "\n")
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

  on_data = function(conn, data)
    local at = 1
    while at <= #data do
      local body, size, method, connection, waits = read_head(data, at)
      if body then
        if waits and body > #data then conn:send("HTTP/1.1 100 Continue\r\n\r\n") end
        at = body + size
        if not skip(conn, at - 1 - #data) then return conn:close() end
        if not answers[method] then return refuse(conn, "501 Not Implemented") end
        conn:send(answers[method][connection])
        if connection == "close" then return conn:close() end
      elseif size then
        return refuse(conn, size)
      else
        local more = conn:recv()
        if not more then return conn:close() end
        data, at = data:sub(at) .. more, 1
      end
    end
  end,
}
