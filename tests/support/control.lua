-- control.lua — talks to a server's control socket, or stands in for one — knows no command.

local cjson = require "cjson"
local loop = require "tests.support.loop"
local uv = require "luv"

local control = {}

--- A new client of the server's control socket; it is closed with the server at the latest.
function control.connect(server)
  return server:connect({ address = "unix://" .. server.control })
end

-- cjson reads every number as a float, and 12.0 is no id.
local function with_integers(value)
  if type(value) == "number" then return math.tointeger(value) or value end
  if type(value) ~= "table" then return value end
  for key, inner in pairs(value) do value[key] = with_integers(inner) end
  return value
end

--- One line of JSON as a table.
function control.decode(line)
  return with_integers(cjson.decode(line))
end

--- The next whole answer: the list of its lines, and the last one, which has `ok`.
function control.receive(peer)
  local lines = {}
  while true do
    local line = control.decode(peer:receive_line())
    if line.ok ~= nil then return lines, line end
    lines[#lines + 1] = line
  end
end

--- Sends a command and receives its answer.
function control.ask(peer, command)
  peer:send(command .. "\n")
  return control.receive(peer)
end

--- Asks over a connection of its own.
function control.ask_once(server, command)
  local peer = control.connect(server)
  local lines, last = control.ask(peer, command)
  peer:close()
  return lines, last
end

--- Listens at `path`, and answers the first bytes of each peer with `text`, whatever they are; with
--- nil it never answers, with "" it hangs up. Returns a function that ends it.
function control.stand_in(path, text)
  local listener, peers = uv.new_pipe(false), {}
  assert(listener:bind(path))
  assert(listener:listen(8, function()
    local peer = uv.new_pipe(false)
    peers[#peers + 1] = peer
    assert(listener:accept(peer))
    peer:read_start(function(_, chunk)
      if not chunk or not text then return end
      peer:read_stop()
      peer:write(text)
      peer:shutdown()
    end)
  end))
  return function()
    for _, peer in ipairs(peers) do peer:close() end
    listener:close()
    loop.turn()
  end
end

return control
