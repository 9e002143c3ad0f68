-- redis.lua — a real redis-server on a free port, for one test — does not know who asks it.

local loop = require "tests.support.loop"
local ports = require "tests.support.ports"
local shell = require "tests.support.shell"

local redis = {}

--- Starts one that keeps nothing, and waits until it answers; it ends with the test.
--- Returns its port and its process. `port`: to have it on the port of one that has ended. Options:
--- `tls`, its certificate and the key of that, and the port speaks TLS; `unix`, a further socket;
---`args`, more of its command line.
function redis.start(rig, port, options)
  port, options = port or ports.free(), options or {}
  local command = { "redis-server", "--bind", "127.0.0.1", "--save", "", "--appendonly", "no",
    "--dir", rig:directory().path }
  local function add(...) table.move({ ... }, 1, select("#", ...), #command + 1, command) end
  if options.tls then
    add("--port", "0", "--tls-port", tostring(port), "--tls-auth-clients", "no")
    add("--tls-cert-file", options.tls[1], "--tls-key-file", options.tls[2])
  else
    add("--port", tostring(port))
  end
  if options.args then add(table.unpack(options.args)) end
  if options.unix then add("--unixsocket", options.unix) end
  local child = rig:spawn(command)
  loop.wait_until(function() return "redis-server to be ready; it said:\n" .. child:stdout() end,
    function()
      assert(not child:has_ended(), child:stdout())
      return child:stdout():find("eady to accept connections", 1, true)
    end)
  return port, child
end

--- Asks it something with redis-cli; returns the answer without its newline.
function redis.ask(port, ...)
  local result = shell.run({ "redis-cli", "-p", tostring(port), ... })
  assert(result.code == 0, result.stderr)
  return (result.stdout:gsub("\n$", ""))
end

return redis
