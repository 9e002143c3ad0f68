-- workers_kill_spec.lua — a script in several workers, under load, while these are killed and
-- stopped: what is lost. MOONPORT_KILLS=200 is the long form.

local cjson = require "cjson"
local loop = require "tests.support.loop"
local rig = require "tests.support.rig"
local shell = require "tests.support.shell"
local uv = require "luv"
local children = require("tests.support.workers").children

local script = [[
  local pid = io.open("/proc/self/stat"):read("n")
  return {
    listen = "127.0.0.1:0", workers = "all",
    on_open = function(conn) conn:send(pid .. "\n") end,
    on_data = function(conn, data) conn:send(data) end,
  }
]]

local CLIENTS = 24 -- of killing.py
local kills = tonumber(os.getenv("MOONPORT_KILLS") or 10)

-- AddressSanitizer would report a SIGSEGV that was sent.
local plain = { ASAN_OPTIONS = "handle_segv=0:handle_abort=0" }

local function allow_deaths(server)
  server:allow_log("^worker %d %(process %d+%) ended with SIG")
  server:allow_log("^worker %d %(process %d+%) is stopped")
  -- It was on its way to one that was killed, and whose scripts' home was dead, too, for long.
  server:allow_log("a connection that another worker accepted is reset")
end

describe("Of a script in several workers", function()
  local moonport = rig.new()

  local function serve(count, text)
    local path = moonport:directory():write("all.lua", text or script)
    local server = moonport:serve({ "--no-watch", "--workers", tostring(count), path }, {
      env = plain,
    })
    allow_deaths(server)
    return server
  end

  local function strike(server, number, ...)
    local command = { "python3", "tests/support/killing.py", "127.0.0.1",
      tostring(server:port()), tostring(number), ... }
    local result = shell.run(command)
    assert.equal(0, result.code, result.stderr)
    return cjson.decode(result.stdout)
  end

  -- Nobody is refused, and nobody waits in vain. Who is cut was connected to the one that died.
  it("only the connections of a worker that is killed are lost, as often as it is", function()
    local workers = kills > 10 and 8 or 3 -- each waits longer every time before it is back
    local server = serve(workers)
    for _ = 1, kills // 10 do
      local counts = strike(server, 10, "SIGKILL", "SIGSEGV")
      assert.is_nil(counts.refused)
      assert.is_nil(counts.late)
      assert.equal(10, counts.killed)
      assert.is_true((counts.cut or 0) <= 10 * CLIENTS, counts.cut)
      if kills > 10 then print(cjson.encode(counts)) end
    end
    loop.eventually("all to be there", function()
      return #children(server.process.pid) == workers
    end)
  end)

  it("nothing at all is lost when one is stopped, for others serve what waits for it", function()
    local server = serve(3)
    local counts = strike(server, math.max(3, kills // 5), "SIGSTOP")
    assert.is_nil(counts.refused)
    assert.is_nil(counts.late)
  end)

  it("nothing at all is lost when one is told to end, and is started again", function()
    local server = serve(3)
    local counts = strike(server, math.max(3, kills // 5), "SIGTERM")
    assert.is_nil(counts.refused)
    assert.is_nil(counts.late)
    assert.is_nil(counts.cut)
  end)

  -- They were in its queue before it was killed; that it is stopped first makes sure that they are.
  it("what waits for a worker that is killed is served by another one", function()
    local server = serve(2)
    local workers = children(server.process.pid)
    assert.equal(2, #workers)
    local met = {}
    loop.eventually("both of them to serve", function()
      local peer = server:connect()
      met[tonumber(peer:receive_line())] = true
      peer:close()
      return met[workers[1]] and met[workers[2]]
    end)
    for _, pid in ipairs(workers) do uv.kill(pid, "sigstop") end
    local waiting = {}
    for index = 1, 40 do waiting[index] = server:connect() end
    uv.kill(workers[1], "sigkill")
    uv.kill(workers[2], "sigcont")
    for index, peer in ipairs(waiting) do
      peer:receive_line()
      peer:send(index .. "\n")
      assert.equal(tostring(index), peer:receive_line())
    end
    server:wait_for("ended with SIGKILL")
  end)

  it("each peer's datagrams stay in one worker, also while another one is killed", function()
    local server = serve(3, [[
      local pid = io.open("/proc/self/stat"):read("n")
      return {
        listen = "udp://127.0.0.1:0", workers = "all",
        on_datagram = function(sock, data, peer) sock:send(tostring(pid), peer) end,
      }
    ]])
    local code = [[
import os, signal, socket, sys
def peer():
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    s.settimeout(20)
    s.connect(("127.0.0.1", int(sys.argv[1])))
    return s
def ask(s):
    s.send(b"who")
    return int(s.recv(100))
peers = [peer() for _ in range(40)]
first = [ask(s) for s in peers]
assert len(set(first)) == 3, first
assert [ask(s) for s in peers] == first
gone = first[0]
os.kill(gone, signal.SIGSTOP)
for s, pid in zip(peers, first):
    now = ask(s)
    assert now == pid or pid == gone, (now, pid, gone)
os.kill(gone, signal.SIGCONT)]]
    local result = shell.run({ "python3", "-c", code, tostring(server:port()) })
    assert.equal(0, result.code, result.stderr)
  end)
end)
