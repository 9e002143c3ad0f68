-- chat.lua — a chat room: each line goes to all the others, with the name of who wrote it.
-- Shows: broadcast; fields of one's own in conn; a frame, for the network cuts lines anywhere.
-- Try it:  moonport scripts/chat.lua        and in two other terminals
--          moonport connect 7000        then type: /nick ada, /who, hello, /quit

local server = require "moonport.server"

-- Nothing that one writes may move the cursor or change the colours on another's terminal.
local function harmless(text)
  local plain = utf8.len(text) and text or text:gsub("[\x80-\xff]", "?")
  return (plain:gsub("%c", ""):gsub("\xc2[\x80-\x9f]", ""))
end

local function is_taken(nick)
  for _, other in ipairs(server.connections()) do
    if (other.nick or ""):lower() == nick:lower() then return true end
  end
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

return {
  listen = 7000,
  frame = "line", limits = { message = 1000 }, -- who sends a longer one is hung up on

  on_open = function(conn)
    local number = conn.id
    while is_taken("guest" .. number) do number = number + 1 end
    conn.nick = "guest" .. number
    conn:send("* Welcome, " .. conn.nick .. ": /nick NAME, /who, /quit\n")
    server.broadcast("* " .. conn.nick .. " came in\n", conn)
  end,

  on_message = function(conn, message)
    local line = harmless(message)
    local name, argument = line:match("^/(%S*)%s*(%S*)")
    if commands[name] then return commands[name](conn, argument) end
    if name then return conn:send("* There is /nick NAME, /who and /quit; no /" .. name .. "\n") end
    if line ~= "" then server.broadcast(conn.nick .. ": " .. line .. "\n", conn) end
  end,

  on_close = function(conn) server.broadcast("* " .. conn.nick .. " left\n") end,
}
