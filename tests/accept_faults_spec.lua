-- accept_faults_spec.lua — accepting that fails, and a storm of connections — not descriptors that
-- run out for real (limits_spec, shortage_spec).

local rig = require "tests.support.rig"
local supports = require "tests.support.supports"
local tcp = require "socket"

local echo = "return { on_data = function(conn, data) conn:send(data) end }"

describe("accept", function()
  local moonport = rig.new()

  local function ask(peer)
    peer:send("?")
    assert.equal("?", peer:receive(1))
  end

  -- The first calls fail with `error`; strace makes them, so what waits goes on waiting.
  local function start_failing(code, count)
    return (moonport:start(echo, {
      prefix = { "strace", "-D", "-qq", "-o", "/dev/null", "-e", "trace=accept4",
        "-e", ("inject=accept4:error=%s:when=1..%d"):format(code, count or 3) },
      env = { ASAN_OPTIONS = "detect_leaks=0" }, -- LeakSanitizer cannot work under ptrace
    }))
  end

  for _, code in ipairs { "ENOBUFS", "ENOMEM", "EMFILE", "ENFILE" } do
    supports.it("accept4",
      "that fails for want of something waits, says so once, and goes on: " .. code, function()
      local server = start_failing(code)
      server:allow_log("cannot accept")
      local cpu = server:cpu_seconds()
      ask(server:connect())
      assert.is_true(server:cpu_seconds() - cpu < 0.5, "it spins")
      ask(server:connect())
      local told = 0
      for _, record in ipairs(server.log) do
        if record.message:find("cannot accept (", 1, true) then told = told + 1 end
      end
      assert.equal(1, told)
    end)
  end

  for _, code in ipairs { "ECONNABORTED", "EINTR", "EPROTO", "ENETUNREACH" } do
    it("that fails for one peer takes the next at once, and says nothing: " .. code, function()
      local server = start_failing(code)
      ask(server:connect())
      ask(server:connect())
    end)
  end

  -- Then it is not the peers' fault.
  supports.it("accept4",
    "that fails a hundred times in a row waits, says so, and goes on", function()
    local server = start_failing("EPROTO", 120)
    local peer = server:connect()
    server:expect_log("^cannot accept %(protocol error")
    ask(peer)
    ask(server:connect())
  end)

  supports.it("accept4",
    "takes at most 64 in a turn, and those that are open have theirs in between", function()
    local server, trace = moonport:start_traced(
      "epoll_wait,epoll_pwait,epoll_ctl,accept4,read,recvfrom", echo)
    local quiet = server:connect()
    ask(quiet)
    server:signal("sigstop")
    local storm = {}
    for index = 1, 400 do
      storm[index] = tcp.tcp()
      storm[index]:settimeout(0)
      storm[index]:connect("127.0.0.1", server:port())
    end
    quiet:send("!")
    server:signal("sigcont")
    assert.equal("!", quiet:receive(1))
    for _, peer in ipairs(storm) do
      peer:settimeout(20)
      assert.equal(1, peer:send("?"))
      assert.equal("?", peer:receive(1))
      peer:close()
    end
    server:stop()
    -- The stop may come late, so turns may pass before "!" is there: the one that hears of it
    -- reads it.
    local in_turn, accepted, quiet_fd, heard, was_read = 0, -1, nil, false, false
    -- By which epoll_wait() calls each descriptor. A libuv that adds them by io_uring, which is no
    -- call that is seen, calls each by its number.
    local names = setmetatable({}, { __index = function(_, fd)
      return ("data=0x%x}"):format(math.tointeger(fd))
    end })
    for line in trace():gmatch("[^\n]+") do
      if line:find("^epoll_p?wait") then
        assert.is_false(heard, "a turn heard of the quiet one and did not read")
        in_turn = 0
        heard = quiet_fd ~= nil and line:find(names[quiet_fd], 1, true) ~= nil
      end
      local added, name = line:match("^epoll_ctl%(%d+, EPOLL_CTL_ADD, (%d+), .-(%w+=%w+}+)%)")
      if added then names[added] = name end
      local fd, bytes = line:match('^re%l+%((%d+), "(.-)"')
      if bytes == "?" then quiet_fd = quiet_fd or fd end
      if fd and fd == quiet_fd then heard, was_read = false, was_read or bytes == "!" end
      if line:find("^accept4.* = %d+$") then in_turn, accepted = in_turn + 1, accepted + 1 end
      assert.is_true(in_turn <= 64, in_turn .. " accepted in one turn")
    end
    assert.equal(400, accepted)
    assert.is_true(was_read)
  end)
end)
