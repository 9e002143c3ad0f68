-- chat.lua — a chat room: each line goes to all the others, with the name of who wrote it.
-- Shows: broadcast; fields of one's own in conn; lines, which the network cuts anywhere.
-- Try it:  moonport scripts/chat.lua        and in two other terminals
--          nc 127.0.0.1 7000            then type: /nick ada, /who, hello, /quit

local server = require "moonport.server"
local read_lines = require "chat.lines" -- chat/lines.lua, beside this file

local function is_taken(nick)
  for _, other in ipairs(server.connections()) do
    if (other.nick or ""):lower() == nick:lower() then return true end
  end
  return false
end

local commands = {}

function commands.nick(conn, nick)
  if #nick > 20 or not nick:find("^[%w_-]+$") then
    return conn:send("* A nickname is 1 to 20 letters, digits, _ and -, such as: /nick ada\n")
  end
  if is_taken(nick) then return conn:send("* " .. nick .. " is taken\n") end
  server.broadcast("* " .. conn.nick .. " is now " .. nick .. "\n")
  conn.nick = nick
end

function commands.who(conn)
  local nicks = {}
  for index, other in ipairs(server.connections()) do nicks[index] = other.nick end
  conn:send("* Here: " .. table.concat(nicks, ", ") .. "\n")
end

function commands.quit(conn) conn:send("* Goodbye\n") conn:close() end

local function on_line(conn, line)
  if not line then return conn:send("* That line was too long, and went to nobody\n") end
  local name, argument = line:match("^/(%S*)%s*(%S*)")
  if commands[name] then return commands[name](conn, argument) end
  if name then return conn:send("* There is /nick NAME, /who and /quit; no /" .. name .. "\n") end
  if line ~= "" then server.broadcast(conn.nick .. ": " .. line .. "\n", conn) end
end

return {
  listen = 7000,

  on_open = function(conn)
    local number = conn.id
    while is_taken("guest" .. number) do number = number + 1 end
    conn.nick = "guest" .. number
    conn:send("* Welcome, " .. conn.nick .. ": /nick NAME, /who, /quit\n")
    server.broadcast("* " .. conn.nick .. " came in\n", conn)
  end,

  on_data = function(conn, data) read_lines(conn, data, on_line) end,

  on_close = function(conn) server.broadcast("* " .. conn.nick .. " left\n") end,
}
