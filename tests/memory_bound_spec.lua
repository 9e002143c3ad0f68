-- memory_bound_spec.lua — a script that takes memory without end pays for it; nobody else does.

local control = require "tests.support.control"
local rig = require "tests.support.rig"

local LIMIT = 4 * 1024 * 1024

-- "hog" takes memory as BODY does; anything else is sent back.
local script = [[
  return {
    limits = { memory = %d },
    on_data = function(conn, data)
      if data ~= "hog" then return conn:send(data) end
      conn:send("taking ")
      local kept = {}
      while true do %s end
    end,
    on_close = function(conn, reason) print("> " .. conn.id .. " " .. reason) end,
  }
]]

local hogs = {
  ["strings that double"] = "kept[1] = (kept[1] or 'text') .. (kept[1] or 'text')",
  ["a string that is repeated"] = "kept[#kept + 1] = ('x'):rep(2 ^ #kept)",
  ["a table that grows"] = "kept[#kept + 1] = #kept",
  ["tables in tables"] = "kept = { kept }",
  ["keys"] = "kept['key' .. #kept .. tostring(kept) .. math.random()] = true",
  ["closures"] = "local old = kept kept = function() return old end",
  ["coroutines"] =
    "local old = kept kept = coroutine.wrap(function() coroutine.yield(old) end) kept()",
  ["a list that is joined"] = "kept[#kept + 1] = table.concat(kept) .. 'text'",
  ["a pattern's results"] = "kept[#kept + 1] = (('x'):rep(5000):gsub('x', 'yy'))",
  ["fields of the connection"] = "conn['field' .. math.random()] = ('x'):rep(1000)",
  ["what another handler's error holds"] = "kept = setmetatable({ kept }, { __gc = print })",
}

describe("memory without end:", function()
  local moonport = rig.new()

  for name, body in pairs(hogs) do
    it(name .. " costs the one who asked, and all others are served as before", function()
      local server = moonport:start(script:format(LIMIT, body), { control = true })
      server:allow_log(".")
      local witness = server:connect()
      for _ = 1, 5 do
        local peer = server:connect()
        peer:send("hog")
        assert.equal("taking ", peer:receive_all())
        peer:close()
        witness:send("alive")
        assert.equal("alive", witness:receive(5))
      end
      assert.same({ "2 error", "3 error", "4 error", "5 error", "6 error" }, server:wait_told(5))
      local count = 0
      for _, record in ipairs(server.log) do
        if record.level == "error" then
          assert.matches("not enough memory", record.message)
          assert.equal("test.lua", record.script)
          assert.equal(count + 2, record.conn)
          count = count + 1
        end
      end
      assert.equal(5, count)
      local status = control.ask_once(server, "status")[1]
      assert.equal(1, status.connections)
      assert.is_true(status.memory_bytes <= LIMIT)
    end)
  end
end)
