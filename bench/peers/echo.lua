-- peers/echo.lua — what the bench asks of servers, on luv: libuv from Lua 5.4. Knows no moonport.
-- Run by lua5.4: echo.lua MODE, of echo, lines, broadcast and udp. What the socket takes at once is
-- written without a request.

local uv = require "luv"

local find, sub, concat = string.find, string.sub, table.concat
local mode = arg[1]
local conns = {}

collectgarbage("generational")

local function close(conn)
  if conn:is_closing() then return end
  conns[conn] = nil
  conn:close()
end

local function send(conn, data)
  local written, _, name = uv.try_write(conn, data)
  if not written and name ~= "EAGAIN" then return close(conn) end
  written = written or 0
  if written < #data then uv.write(conn, sub(data, written + 1)) end
end

local function broadcast(_, data)
  for conn in pairs(conns) do send(conn, data) end
end

local function on_line(line) return line .. "\n" end

-- What is left of the last piece belongs in front of the next one.
local function splitter()
  local rest = ""
  return function(conn, data)
    if rest ~= "" then data = rest .. data end
    local from, replies, count = 1, {}, 0
    local stop = find(data, "\n", 1, true)
    while stop do
      count = count + 1
      replies[count] = on_line(sub(data, from, stop - 1))
      from = stop + 1
      stop = find(data, "\n", from, true)
    end
    rest = sub(data, from)
    if count > 0 then send(conn, concat(replies)) end
  end
end

local function handler()
  if mode == "lines" then return splitter() end
  return mode == "broadcast" and broadcast or send
end

local function accept(listener)
  local conn = uv.new_tcp()
  local handle = handler()
  listener:accept(conn)
  conns[conn] = true
  if mode == "broadcast" then send(conn, "+") end
  conn:read_start(function(_, data)
    if data then return handle(conn, data) end
    close(conn)
  end)
end

local function say(scheme, address)
  io.stderr:write(("listening on %s://127.0.0.1:%d\n"):format(scheme, address.port))
end

if mode == "udp" then
  local socket = uv.new_udp({ mmsgs = 20 })
  socket:bind("127.0.0.1", 0)
  socket:recv_start(function(_, data, peer)
    if data then socket:try_send(data, peer.ip, peer.port) end
  end)
  say("udp", socket:getsockname())
else
  local listener = uv.new_tcp()
  listener:bind("127.0.0.1", 0)
  listener:nodelay(true)
  listener:listen(511, function() accept(listener) end)
  say("tcp", listener:getsockname())
end
uv.run()
