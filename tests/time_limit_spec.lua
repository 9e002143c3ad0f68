-- time_limit_spec.lua — a time limit bounds a call as a whole, however often it waits — not how
-- exact it is.

local program = require "tests.support.program"
local rig = require "tests.support.rig"

-- `drip(far)` sends a byte again and again, `sip(far)` takes some; each does so 1000 times if
-- nobody ends it, which no call below may need.
local peers = [[
local function again(f)
  return task.spawn(function()
    for count = 1, 1000 do
      timer.sleep(0.005)
      if not f() then return count end
    end
    return "to the end"
  end)
end
local function drip(far) return again(function() return far:send("a") end) end
local function sip(far) return again(function() return far:recv(4096) end) end
local function show(busy, ok, code)
  print(ok, code, busy:status())
  busy:cancel()
end
]]

local reads = {
  recv_exactly = "recv_exactly(100000)", recv_line = "recv_line()", recv_until = 'recv_until("z")',
  ["recv_message, a line"] = 'recv_message("line")',
  ["recv_message, a length"] = 'recv_message({ length = "u8" })',
  ["recv_message, a size"] = "recv_message({ fixed = 100000 })",
}

local sockets = {
  ["a connection"] = "local near, far = pair()",
  ["a socket"] = [[
    local listener, address = listening()
    local near = socket.tcp()
    assert(near:connect(address))
    local far = listener:accept()]],
  ["a Unix socket"] = [[
    local listener, near = socket.unix(), socket.unix()
    assert(listener:bind(arg[1]))
    listener:listen()
    assert(near:connect(arg[1]))
    local far = listener:accept()]],
}

describe("settimeout", function()
  local moonport = rig.new()

  for kind, sockets_code in pairs(sockets) do
    it("bounds each read of " .. kind .. " as a whole", function()
      local code, wanted = { peers }, {}
      for _, call in pairs(reads) do
        code[#code + 1] = ("do %s near:settimeout(0.1) show(drip(far), near:%s) end"):format(
          sockets_code:gsub("arg%[1%]", ("%q"):format(moonport:directory():join("x.sock"))), call)
        wanted[#wanted + 1] = "nil\ttimeout\trunning"
      end
      assert.same(wanted, program.lines(moonport, table.concat(code, "\n")))
    end)
  end

  it("bounds drain, and the send of a socket that waits, as a whole", function()
    assert.same({ "nil\ttimeout\trunning", "nil\ttimeout\trunning" }, program.lines(moonport,
      peers .. [[
      local text = ("x"):rep(24 * 1024 * 1024)
      do
        local near, far = pair()
        near:settimeout(0.1)
        near:send(text)
        show(sip(far), near:drain())
      end
      local listener, address = listening()
      local near = socket.tcp()
      assert(near:connect(address))
      local far = listener:accept()
      near:settimeout(0.1)
      show(sip(far), near:send(text))
      far:reset()
    ]]))
  end)

  it("is no limit of two calls together, nor of one that has what it needs", function()
    assert.same({ "a\tb\tc\td" }, program.lines(moonport, [[
      local near, far = pair()
      near:settimeout(1)
      task.spawn(function()
        for word in ("a b c d"):gmatch("%S") do
          timer.sleep(0.35)
          far:send(word .. "\n")
        end
      end)
      print(near:recv_line(), near:recv_line(), near:recv_line(), near:recv_line())
    ]]))
  end)

  it("bounds a read of main and of a handler as a whole", function()
    for _, name in ipairs { "main", "on_open" } do
      local server = moonport:start(([[
        return {
          %s = function(conn)
            conn:settimeout(0.1)
            conn:send(select(2, conn:recv_line()) .. "\n")
            conn:close()
          end,
          %s
        }
      ]]):format(name, name == "main" and "" or "on_data = print,"))
      assert.same({ "timeout\trunning" }, program.lines(moonport, peers .. ([[
        local near = assert(socket.connect("127.0.0.1:%d"))
        local busy = drip(near)
        print(near:recv_line(), busy:status())
        busy:cancel()
      ]]):format(server:port())))
    end
  end)
end)

describe("the timeout of a pool", function()
  local moonport = rig.new()

  it("bounds the wait for a turn and the connect together", function()
    -- A listener whose backlog is full answers no further connect.
    assert.same({ "nil\ttimeout", "true" }, program.lines(moonport, [[
      local pool = require "moonport.pool"
      local listener, address = listening("127.0.0.1", 0)
      local lent = pool.new(address, { size = 1, timeout = 1 })
      local first = assert(lent:get())
      local crowd = {}
      for index = 1, 3 do
        crowd[index] = task.spawn(socket.connect, address, { timeout = 5 })
      end
      timer.after(0.6, function()
        first:close()
        lent:put(first)
      end)
      local began = timer.now()
      local conn, code = lent:get()
      local took = timer.now() - began
      print(conn, code)
      print(took < 1.5 or took)
      os.exit(0)
    ]]))
  end)
end)
