-- hint: Being connected is not yet being in the room
-- Tells all connections, those without a name too.
local server = require "moonport.server"

local room = server.group("room")

-- Why nobody can have this name; nil when somebody can.
local function fault_of(name)
  if #name > 16 or not name:find("^%w+$") then return "1 to 16 letters and digits" end
  for other in room:each() do
    if other.name == name then return "taken" end
  end
end

local function come_in(conn, name)
  local fault, names = fault_of(name), {}
  if fault then
    conn:send_message("no: " .. fault)
    return conn:close()
  end
  for other in room:each() do table.insert(names, other.name) end
  conn.name = name
  conn:send_message("* here: " .. table.concat(names, ", "))
  room:broadcast_message("* " .. name .. " came")
  room:add(conn)
end

return {
  listen = 12345,
  frame = "line",
  on_open = function(conn) conn:send_message("your name?") end,
  on_message = function(conn, line)
    if not conn.name then return come_in(conn, line) end
    server.broadcast_message(conn.name .. ": " .. line, conn)
  end,
  on_close = function(conn)
    if conn.name then room:broadcast_message("* " .. conn.name .. " left") end
  end,
}
