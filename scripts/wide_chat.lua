-- wide_chat.lua — web_chat.lua with rooms that span machines: http://127.0.0.1:8087/#tea is one.
-- Shows: moonport.bus; one subscription for all rooms, each of which is a topic and a group.
-- Try it:  moonport scripts/wide_chat.lua        and on several machines, or twice on one,
--          moonport --bus redis://HOST --listen 8088 scripts/wide_chat.lua, or --bus nats://HOST

local bus = require "moonport.bus"
local codec = require "moonport.codec"
local json = require "moonport.json"
local page = require "web_chat.page" -- web_chat/page.lua, beside this file
local server = require "moonport.server"

local function tell(conn, event) bus.publish(conn.topic, json.encode(event)) end
-- What is said in any room anywhere, here too, goes to those who are in it here.
bus.subscribe("wide_chat.*", function(event, topic)
  server.group(topic):broadcast_message(event)
end)

return {
  listen = 8087,
  frame = "websocket",
  limits = { message = "4K" },
  on_request = function(_, request)
    local headers = { ["content-type"] = "text/html; charset=utf-8" }
    return request.path == "/" and { headers = headers, body = page } or 404
  end,
  on_upgrade = function(conn, request)
    local asked, origin = request.parameters, request.headers.origin
    if origin and origin:match("^https?://(.+)$") ~= request.headers.host then return 403 end
    if #(asked.room or "") > 40 or #(asked.name or "") > 20 then return 400 end
    conn.topic = "wide_chat.x" .. codec.hex.encode(asked.room or "") -- any bytes, as one word
    conn.name = asked.name or "guest"
  end,
  on_open = function(conn)
    server.group(conn.topic):add(conn)
    tell(conn, { text = conn.name .. " came in" })
  end,
  on_message = function(conn, message) tell(conn, { from = conn.name, text = message }) end,
  on_close = function(conn) tell(conn, { text = conn.name .. " left" }) end,
}
