-- web_chat.lua — a chat in the browser, with rooms: http://127.0.0.1:8082/#tea is the room "tea".
-- Shows: a page, and a WebSocket on the same port; groups of connections; JSON both ways.
-- Try it:  moonport scripts/web_chat.lua        and open http://127.0.0.1:8082/ in two browsers

local json = require "moonport.json"
local page = require "web_chat.page" -- web_chat/page.lua, beside this file
local server = require "moonport.server"

local ROOM_BYTES_MAX, NAME_BYTES_MAX = 40, 20

-- Of that name in every version of this script, so nobody has to come again when it is changed.
local function tell(conn, event)
  server.group("room " .. conn.room):broadcast_message(json.encode(event))
end

-- A page of another site must not speak in the name of whoever looks at it.
local function is_ours(request)
  local origin = request.headers.origin
  return not origin or origin:match("^https?://(.+)$") == request.headers.host
end

return {
  listen = 8082,
  frame = "websocket",
  limits = { message = "4K" },

  on_request = function(_, request)
    if request.path ~= "/" then return 404 end
    return { headers = { ["content-type"] = "text/html; charset=utf-8" }, body = page }
  end,

  on_upgrade = function(conn, request)
    local asked = request.parameters
    if not is_ours(request) then return 403 end
    if #(asked.room or "") > ROOM_BYTES_MAX or #(asked.name or "") > NAME_BYTES_MAX then
      return 400
    end
    conn.room, conn.name = asked.room or "", asked.name or "guest"
  end,

  on_open = function(conn)
    server.group("room " .. conn.room):add(conn)
    tell(conn, { text = conn.name .. " came in" })
  end,

  on_message = function(conn, message) tell(conn, { from = conn.name, text = message }) end,

  on_close = function(conn) tell(conn, { text = conn.name .. " left" }) end,
}
