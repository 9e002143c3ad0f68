-- descriptors_spec.lua — at the limit of descriptors a call that needs one gets those that nobody
-- can use any more; not what is kept back for the control socket (control_places_spec).

local rig = require "tests.support.rig"

-- How a script comes to a descriptor. Each is asked for more of them than there may be.
local calls = {
  bind = [[ local s = socket.tcp() local ok, code, detail = s:bind("127.0.0.1", 0)
    return ok and s, code, detail ]],
  udp = [[ local s = socket.udp() local ok, code, detail = s:bind("127.0.0.1", 0)
    return ok and s, code, detail ]],
  connect = "return socket.connect(there)",
  ["connect to a name"] = "return socket.connect((there:gsub('127.0.0.1', 'localhost')))",
  open = "return io.open('/dev/null')",
  tmpfile = "return io.tmpfile()",
  popen = "return io.popen('true')",
  lines = [[ local ok, code, _, _, file = pcall(io.lines, "/dev/null")
    return ok and file, code ]],
  input = [[ local before = io.input()
    local ok, code = pcall(io.input, "/dev/null")
    local file = ok and io.input()
    io.input(before)
    return file, code ]],
  require = [[ local file, message, code = io.open("/dev/null")
    package.loaded.words = nil
    return file and require "words", message, code ]],
}

-- Takes 200 of them; `kept` is for those that stay reachable.
local asking = [[
  local socket, timer = require "moonport.socket", require "moonport.timer"
  local function call(there) %s end
  local kept = {}
  local function ask(there, keeps)
    collectgarbage("setpause", 1000)
    for count = 1, 200 do
      local one, code, detail = call(there)
      if not one then return count .. " " .. tostring(code) .. " " .. tostring(detail) end
      if keeps then kept[count] = one end
    end
    return "all"
  end
]]

local service = asking .. [[
  return { listen = 0, on_data = function(conn, data)
    local keeps, there = data:match("(%%a+) (%%S+)")
    conn:send(ask(there, keeps == "keep") .. "\n")
  end }
]]

describe("at the limit of descriptors", function()
  local moonport = rig.new()
  local few = { "prlimit", "--nofile=64:64" }
  local few_and_one = { "prlimit", "--nofile=65:65" }

  -- Whoever is connected to, and keeps what connects.
  local function there()
    return moonport:start("return { on_data = function() end, timeouts = { idle = 0 } }",
      { args = { "--listen", "127.0.0.1:0" } })
  end

  local function ask(call, words)
    local place = moonport:directory()
    place:write("words.lua", "return 'words'")
    local path = place:write("test.lua", service:format(calls[call]))
    local server = moonport:serve({ "--listen", "127.0.0.1:0", "--no-watch", path },
      { prefix = few })
    server:allow_log("the loop ")
    local peer = server:connect()
    peer:send(words)
    local answer = peer:receive_line()
    server:kill() -- it keeps them all
    return answer
  end

  for call in pairs(calls) do
    it("a script gets what nobody can use any more: " .. call, function()
      assert.equal("all", ask(call, "drop " .. there():address()))
    end)

    -- The nearest case that must stay: what the script can still use is its own.
    if call ~= "require" and call ~= "connect to a name" then
      it("a script is refused what it keeps itself: " .. call, function()
        local answer = ask(call, "keep " .. there():address())
        assert.matches("^[45]%d .*[Tt]oo many open files", answer)
      end)
    end
  end

  -- A program's io was Lua's own.
  for _, call in ipairs { "open", "lines", "popen", "tmpfile", "bind" } do
    it("a program gets what nobody can use any more: " .. call, function()
      local path = moonport:directory():write("test.lua",
        asking:format(calls[call]) .. "print(ask('', false))")
      local result = moonport:run({ "run", path }, { prefix = few })
      assert.equal("all\n", result.stdout, result.stderr)
    end)
  end

  it("a program that accepts gets them, too", function()
    local path = moonport:directory():write("test.lua", [[
      local socket = require "moonport.socket"
      local server = socket.tcp()
      server:bind("127.0.0.1", 0)
      server:listen(10)
      collectgarbage("setpause", 1000)
      for _ = 1, 200 do
        socket.connect((server:getsockname())):send("x")
        assert(server:accept())
      end
      print("all")
    ]])
    local result = moonport:run({ "run", path }, { prefix = few })
    assert.equal("all\n", result.stdout, result.stderr)
    assert.equal(0, result.code, result.stderr)
  end)

  -- It once went on while it was being closed: a descriptor that came free ended its accept().
  it("a program that keeps them all, and waits, ends, and says why", function()
    local path = moonport:directory():write("test.lua", [[
      local socket = require "moonport.socket"
      local server, kept = socket.tcp(), {}
      server:bind("127.0.0.1", 0)
      server:listen(10)
      while true do
        kept[#kept + 1] = assert(socket.connect((server:getsockname())))
        kept[#kept + 1] = assert(server:accept())
      end
    ]])
    local said = ""
    for _, prefix in ipairs({ few, few_and_one }) do -- connect() meets the limit, or accept() does
      local result = moonport:run({ "run", path }, { prefix = prefix })
      assert.equal(1, result.code, result.stderr)
      said = said .. result.stderr
    end
    assert.matches("nothing is left that could end the wait", said)
  end)
end)
