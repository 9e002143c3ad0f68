-- http/answer.lua — builds HTTP answers, dated by a timer — knows no request and no connection.

local timer = require "moonport.timer"

local BODY = "Hello from moonport!\n"
local date
-- hello: by method, then by what is said of the connection; made anew for each second.
local answer = { continue = "HTTP/1.1 100 Continue\r\n\r\n", hello = {} }

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
  answer.hello = { GET = whole, POST = whole, HEAD = heads }
end

tick()
timer.every(1, tick)

-- A refusal, after which the connection ends.
function answer.refusal(status)
  return head(status, "close", #status + 1) .. status .. "\n"
end

return answer
