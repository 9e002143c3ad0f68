-- control_module_spec.lua — moonport.control from a program: answers, events, and what is neither.

local program = require "tests.support.program"
local rig = require "tests.support.rig"
local supports = require "tests.support.supports"

local echo = "return { on_data = function(conn, data) conn:send(data) end }"

-- Serves what never ends: the same piece again and again, as fast as it is taken.
local endless = [[
  return {
    main = function(conn)
      conn:recv()
      while conn:send(PIECE) and conn:drain() do end
    end,
  }
]]

describe("moonport.control", function()
  local moonport = rig.new()
  -- Runs `code` with `path`, and a client of what is there.
  local function lines(path, code)
    return program.lines(moonport, ([[
      local control = require "moonport.control"
      local path = %q
      local client <close>, fault = control.connect(path, { timeout = 60 })
      %s
    ]]):format(path, code))
  end

  -- What ask() says when `answer` comes.
  local function refusal(answer)
    local path = moonport:stand_in(answer)
    return lines(path, 'print(client:ask("status"))')[1]
  end

  supports.it("peer-credentials", "gives whole answers, one after the other", function()
    local server = moonport:start(echo, { control = true })
    assert.same({ tostring(server.process.pid), server.control, "serving", "true", "integer",
      "false", "5" }, lines(server.control, [[
      print(client.pid)
      print(client.path)
      local answer = assert(client:ask("status"))
      print(answer.lines[1].state)
      print(answer.texts[1]:find('"state":"serving"', 1, true) ~= nil)
      print(math.type(answer.last.pid))
      print(assert(client:ask({ "nonsense", "two words" })).last.ok)
      print(client:ask({ "eval", 'return #[==[\\\255\t"\127]==]' }).lines[1].result)
    ]]))
  end)

  it("gives events until it is closed, also while somebody waits for one", function()
    local server = moonport:start(echo, { control = true })
    assert.same({ "listen\ttrue\ttrue", "nil" }, lines(server.control, [[
      local task = require "moonport.task"
      local events = assert(client:stream("events event=listen"))
      local event, text = events()
      print(event.event, text:find('"listen"', 1, true) ~= nil, client.answer.ok)
      task.spawn(function() client:close() end)
      print(events())
    ]]))
    assert.matches("^nil\t.*did you mean data", lines(server.control,
      'print(client:stream({ "events", "event=dat" }))')[1])
  end)

  supports.it("peer-credentials", "says that the server has ended", function()
    local path = moonport:stand_in('{"ok":true}\n{"event":"x"}\n')
    local told = lines(path, [[
      local events = assert(client:stream("events"))
      print(events().event)
      print(events())
    ]])
    assert.equal("x", told[1])
    assert.matches("^nil\tthe server %(pid %d+%) has ended", told[2])
  end)

  it("says when nobody is there, and where it looked", function()
    local path = moonport:directory():join("none.sock")
    assert.same({ "nil\tno server at " .. path .. ": start one, or say where its control socket " ..
      "is with --control" }, lines(path, "print(client, fault)"))
    assert.matches("at most 107 bytes", lines(("x"):rep(200), "print(fault)")[1], 1, true)
  end)

  supports.it("peer-credentials", "says what is no answer", function()
    assert.matches("^nil\tthis is no answer of a moonport server: HTTP/1.1 400",
      refusal("HTTP/1.1 400 Bad Request\n"))
    assert.matches("^nil\tthis is no answer of a moonport server: %[1%]", refusal("[1]\n"))
    assert.matches("^nil\tthe server %(pid %d+%) hung up before it had answered", refusal(""))
    assert.matches("hung up", refusal('{"ok":tr'), 1, true)
    assert.matches("hung up", refusal('{"a":1}\n'), 1, true)
  end)

  supports.it("peer-credentials", "waits no longer than it was told to", function()
    local path = moonport:stand_in()
    assert.matches("^nil\tthe server %(pid %d+%) did not answer within 0.1 s", lines(path, [[
      local other <close> = assert(control.connect(path, { timeout = 0.1 }))
      print(other:ask("status"))
    ]])[1])
  end)

  it("gives up on an answer that does not end, and on a line that does not", function()
    for piece, message in pairs({
      [('{"a":"%s"}\n'):format(("x"):rep(60000))] = "does not end: 64 MiB came",
      [("x"):rep(60000)] = "this is no answer of a moonport server: xxxx",
    }) do
      local path = moonport:directory():join("control.sock")
      local server = moonport:start((endless:gsub("PIECE", (("%q"):format(piece)))),
        { args = { "--listen", "unix://" .. path } })
      local told = lines(path, [[
        local answer, why = client:ask("status")
        print(answer, #why < 400 and why)
        print(collectgarbage("count") < 400 * 1024)
      ]])
      assert.matches(message, told[1], 1, true)
      assert.equal("true", told[2])
      server:stop()
    end
  end)
end)
