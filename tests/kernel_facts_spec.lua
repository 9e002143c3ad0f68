-- kernel_facts_spec.lua — what the kernel has and nobody has read or accepted, told to who watches.

local control = require "tests.support.control"
local events = require "tests.support.events"
local rig = require "tests.support.rig"
local supports = require "tests.support.supports"

local echo = [[
return {
  on_data = function(conn, data)
    if data == "bye" then conn:close() else conn:send(data) end
  end,
}
]]

for _, transport in ipairs({ "direct", "uv" }) do
  local subject = "While somebody watches, with MOONPORT_TRANSPORT=" .. transport
  supports.describe("tcp-info", subject, function()
    local moonport = rig.new()
    local options = { control = true, env = { MOONPORT_TRANSPORT = transport } }

    it("what comes to a paused connection is told as it grows, and the FIN behind it", function()
      local server = moonport:start(echo, options)
      local watch = events.watch(server, "event=accept,arrive,data,eof")
      local peer = server:connect()
      assert.equal(1, watch:wait({ event = "accept" }).conn)
      assert.is_true(select(2, control.ask_once(server, "pause 1")).ok)
      peer:send("hello")
      local first = watch:wait({ event = "arrive" })
      assert.same({ 5, 5, "kernel", 1 }, { first.arrived, first.waiting, first.source, first.conn })
      assert.is_nil(first["end"])
      peer:send("you")
      local second = watch:wait({ event = "arrive" })
      assert.same({ 3, 8 }, { second.arrived, second.waiting })
      peer:finish()
      local last = watch:wait({ event = "arrive" })
      assert.same({ 0, 8, "FIN" }, { last.arrived, last.waiting, last["end"] })
      assert.is_true(select(2, control.ask_once(server, "resume 1")).ok)
      watch:wait({ event = "eof" })
      assert.same({ "accept", "arrive 5", "arrive 3", "arrive 0", "data", "eof" },
        watch:kinds("arrived"))
    end)

    it("what is read at once is no arrival", function()
      local server = moonport:start(echo, options)
      local watch = events.watch(server, "event=arrive,data,close")
      local peer = server:connect()
      peer:send("hello")
      assert.equal("hello", peer:receive(5))
      peer:finish()
      watch:wait({ event = "close" })
      assert.same({ "data", "close" }, watch:kinds())
    end)

    it("who waits to be accepted is counted", function()
      local server = moonport:start([[
        return { limits = { connections = 1 }, on_data = function() end }
      ]], options)
      server:allow_log("limits.connections = 1 reached")
      local watch = events.watch(server, "event=accept,backlog")
      local first = server:connect()
      watch:wait({ event = "accept" })
      local waiting = { server:connect(), server:connect() }
      local full = watch:wait({ event = "backlog", waiting = 2 })
      assert.equal("kernel", full.source)
      assert.equal(server:address(), full.address)
      assert.is_true(full.limit > 2)
      -- Who begins to watch now is told, too.
      assert.equal(2, events.watch(server, "event=backlog"):wait({ event = "backlog" }).waiting)
      first:close()
      watch:wait({ event = "backlog", waiting = 1 })
      waiting[1]:close()
      watch:wait({ event = "backlog", waiting = 0 })
    end)

    it("whose end came first is told, and what the kernel keeps of it", function()
      local server = moonport:start(echo, options)
      local watch = events.watch(server, "event=accept,time_wait,close")
      local peer = server:connect()
      peer:send("bye")
      assert.equal("", peer:receive_all())
      peer:close()
      local accept = watch:wait({ event = "accept" })
      local kept = watch:wait({ event = "time_wait" })
      assert.same({ accept.peer, accept["local"], "kernel" },
        { kept.peer, kept["local"], kept.source })
      assert.is_true(kept.left_ms > 0 and kept.left_ms <= 60000)
      assert.equal("us", watch:wait({ event = "close" }).first)
      peer = server:connect()
      peer:finish()
      assert.equal("", peer:receive_all())
      assert.equal("peer", watch:wait({ event = "close" }).first)
      peer = server:connect()
      peer:send("x")
      peer:receive(1)
      peer:reset()
      assert.equal("peer", watch:wait({ event = "close", reason = "reset" }).first)
      assert.equal(1, #watch:find({ event = "time_wait" }))
    end)
  end)
end
