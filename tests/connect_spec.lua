-- connect_spec.lua — moonport connect, from outside: bytes, words, exit codes — terminals are
-- connect_terminal_spec.lua's.

local certificates = require "tests.support.certificates"
local loop = require "tests.support.loop"
local rig = require "tests.support.rig"
local server = require "tests.support.server"
local shell = require "tests.support.shell"
local supports = require "tests.support.supports"

local echo = "return { on_data = function(conn, data) conn:send(data) end }"

local function port_of(started) return tostring(started:port()) end

describe("moonport connect", function()
  local moonport = rig.new()

  local function connect(address, input, ...)
    return moonport:run({ "connect", address, ... }, { stdin = input or "" })
  end

  -- With a shell's means: what its input and output are.
  local function sh(line, ...)
    return shell.run({ "sh", "-c", line, "sh", server.program, ... })
  end

  -- On the facts of a connection stands what this machine and moment made of them.
  local function facts(text)
    return (text:gsub("127%.0%.0%.1:%d+", "ADDRESS"):gsub("after %d[^\n]*", "after TIME"))
  end

  it("leaves the answer alone on standard output, and tells the rest on standard error", function()
    local port = port_of(moonport:start(echo))
    local result = connect(port, "hello")
    assert.same({ 0, "hello" }, { result.code, result.stdout })
    assert.equal("* connected to ADDRESS from ADDRESS\n" ..
      "* FIN went: the input has ended, and we send no more\n" ..
      "* FIN came: the peer sends no more\n" ..
      "* 5 bytes sent, 5 bytes received, after TIME\n", facts(result.stderr))
    result = connect(port, "hello", "--quiet")
    assert.same({ 0, "hello", "" }, { result.code, result.stdout, result.stderr })
  end)

  supports.it("abstract-sockets", "takes every kind of address", function()
    local path = moonport:directory():join("echo.sock")
    local started = moonport:start(echo, { args = { "--listen", "unix://" .. path } })
    assert.equal("one", connect("unix://" .. path, "one").stdout)
    assert.equal("* connected to unix://" .. path .. "\n" ..
      "* the input has ended, and we send no more\n* the peer sends no more\n" ..
      "* 3 bytes sent, 3 bytes received, after TIME\n",
      facts(connect("unix://" .. path, "one").stderr))
    started:stop()
    local name = "unix:@moonport-test-" .. os.time()
    moonport:start(echo, { args = { "--listen", name } })
    assert.equal("two", connect(name, "two").stdout)
    local port = port_of(moonport:start(echo))
    for _, address in ipairs { port, ":" .. port, "localhost:" .. port,
      "tcp://127.0.0.1:" .. port } do
      assert.equal("three", connect(address, "three").stdout)
    end
  end)

  it("says who does not listen, and what to do, with code 1", function()
    local started = moonport:start(echo)
    local address = started:address():gsub("tcp://", "")
    started:stop()
    local result = connect(address)
    assert.same({ 1, "" }, { result.code, result.stdout })
    assert.equal(("moonport: nobody listens on %s: start a server there, as with moonport " ..
      "SCRIPT; moonport status says where one listens\n"):format(address), result.stderr)
    local path = moonport:directory():join("none.sock")
    result = connect("unix://" .. path)
    assert.same({ 1, ("moonport: there is no socket at unix://%s: start the server that listens " ..
      "there\n"):format(path) }, { result.code, result.stderr })
    result = connect("nowhere.invalid:80")
    assert.equal(1, result.code)
    assert.truthy(result.stderr:find("cannot connect to nowhere.invalid:80: ", 1, true))
  end)

  it("refuses an address that is none with code 2", function()
    for _, address in ipairs { "localhost", "70000", "http://localhost:80", "local host:80", "" } do
      local result = connect(address)
      assert.equal(2, result.code, address)
      assert.truthy(result.stderr:find("try: moonport connect --help", 1, true))
    end
    assert.equal(2, moonport:run({ "connect" }).code)
    assert.equal(2, connect("udp://127.0.0.1:9", "", "--tls").code)
  end)

  it("passes 50 MB in both directions at once, exactly, in bounded memory", function()
    local port = port_of(moonport:start(echo))
    local path = moonport:directory():join("big")
    local result = sh([[
      head -c 50000000 /dev/urandom > "$3" &&
      (ulimit -c 0; "$1" connect --quiet "$2" < "$3" | sha256sum) && sha256sum < "$3"]], port, path)
    local sums = {}
    for sum in result.stdout:gmatch("%x+") do sums[#sums + 1] = #sum == 64 and sum or nil end
    assert.equal(2, #sums)
    assert.equal(sums[1], sums[2])
  end)

  it("sends all of its input to a peer that has sent FIN first", function()
    local started = moonport:start([[
      local got = 0
      return {
        on_open = function(conn) conn:send("bye") conn:shutdown() end,
        on_data = function(_, data) got = got + #data end,
        on_eof = function(conn) print("> got " .. got) conn:close() end,
      }]])
    local result = sh('(sleep 0.3; head -c 3000000 /dev/zero) | "$1" connect "$2"',
      port_of(started))
    started:wait_for("> got 3000000")
    assert.same({ 0, "bye" }, { result.code, result.stdout })
    assert.truthy(result.stderr:find("FIN came.*FIN went"))
  end)

  it("tells of an RST in the middle, with code 1", function()
    local port = port_of(moonport:start(
      "return { on_data = function(conn) conn:reset() end }"))
    local result = sh('(printf x; sleep 5) | timeout 4 "$1" connect "$2"', port)
    assert.truthy(result.stderr:find("* RST came: the peer has broken the connection off", 1, true))
    result = connect(port, "x")
    assert.equal(1, result.code)
    assert.truthy(result.stderr:find("* RST came", 1, true))
  end)

  it("reads no further than a peer that does not read, and ends by a signal with RST", function()
    local started = moonport:start([[
      return {
        on_open = function(conn) conn:pause() end,
        on_close = function(_, reason) print("> " .. reason) end,
      }]])
    local path = moonport:directory():join("big")
    local child = moonport:spawn({ "sh", "-c",
      'truncate -s 500M "$2" && exec "$0" connect "$1" < "$2"', server.program, port_of(started),
      path })
    loop.eventually("the connection", function() return child:stderr():find("connected") end)
    local before = 0
    loop.eventually("it to stand still", function()
      local now = tonumber(child:proc("io"):match("rchar: (%d+)"))
      local is_still = now == before
      before = now
      return is_still and now > 1e6
    end)
    assert.is_true(child:rss() < 200e6)
    child:signal("sigterm")
    assert.equal(1, (child:wait()))
    assert.truthy(child:stderr():find("* RST went: interrupted, and broken off", 1, true))
  end)

  it("ends quietly when nobody reads its output", function()
    local started = moonport:start([[
      return { on_open = function(conn)
        for _ = 1, 100 do conn:send(("y"):rep(10000)) end
      end }]])
    local result = sh('(sleep 5 | "$1" connect --quiet "$2"; echo "code $?" >&2) | head -c 10',
      port_of(started))
    assert.equal("yyyyyyyyyy", result.stdout)
    assert.equal("code 141\n", result.stderr) -- as of any program: SIGPIPE
  end)

  it("takes a closed standard input for its end", function()
    local port = port_of(moonport:start(
      "return { on_eof = function(conn) conn:send('end') conn:close() end }"))
    assert.equal("end", sh('"$1" connect --quiet "$2" <&-', port).stdout)
    assert.equal("end", sh('"$1" connect --quiet "$2" </dev/null', port).stdout)
  end)

  it("says that its output cannot be written", function()
    local result = sh('printf hello | "$1" connect --quiet "$2" >/dev/full; echo $?',
      port_of(moonport:start(echo)))
    assert.equal("1\n", result.stdout)
    assert.equal("moonport: cannot write the output: No space left on device\n", result.stderr)
  end)

  it("waits for the peer's end no longer than --wait says", function()
    local port = port_of(moonport:start("return { on_eof = function(conn) conn:pause() end, " ..
      "on_data = print, timeouts = { idle = 0 } }"))
    local result = connect(port, "x", "--wait", "0.2")
    assert.equal(1, result.code)
    assert.truthy(result.stderr:find(" did not end within 0.2 s of the end of the input", 1, true))
  end)

  describe("--line", function()
    it("shows whole lines, ended by LF, and sends lines with CR LF when told to", function()
      local started = moonport:start([[
        return {
          on_data = function(conn, data) print(("> %q"):format(data)) end,
          on_eof = function(conn)
            conn:send("one\r\ntwo\nthr")
            conn:send("ee")
            conn:close()
          end,
        }]])
      local result = connect(port_of(started), "HELO me\nQUIT", "--line", "--crlf")
      assert.equal("one\ntwo\nthree\n", result.stdout)
      assert.truthy(started:wait_for("HELO me"))
      local port = port_of(moonport:start(echo))
      assert.equal("A\r\nB\r\n", connect(port, "A\r\nB\n", "--crlf").stdout)
    end)
  end)

  describe("--hex", function()
    it("shows both directions with their offsets", function()
      local result = connect(port_of(moonport:start(echo)), "0123456789abcdef\0\n", "--hex")
      local rows = "%s 000000  30 31 32 33 34 35 36 37  38 39 61 62 63 64 65 66  " ..
        "|0123456789abcdef|\n%s 000010  00 0a" .. (" "):rep(45) .. "|..|\n"
      assert.equal(rows:gsub("%%s", ">") .. rows:gsub("%%s", "<"), result.stdout)
    end)
  end)

  describe("over TLS", function()
    it("checks the name, tells what was agreed on, and takes others only if told", function()
      local directory = moonport:directory()
      local cert, key = certificates.quick(moonport, directory, "localhost")
      local started = moonport:start(([[
        return { listen = "tls://127.0.0.1:0", tls = { cert = %q, key = %q },
          on_data = function(conn, data) conn:send(data) end }]]):format(cert, key), { args = {} })
      local port = port_of(started)
      local result = connect("localhost:" .. port, "hi", "--tls", "--ca", cert)
      assert.same({ 0, "hi" }, { result.code, result.stdout })
      assert.truthy(result.stderr:find("* TLSv1.3, TLS_", 1, true))
      assert.truthy(result.stderr:find("* the certificate is for localhost.-; it was checked"))
      started:allow_log("unknown ca")
      -- Not those of this machine, which may have none.
      local others = certificates.quick(moonport, directory, "example.org")
      result = moonport:run({ "connect", "tls://localhost:" .. port },
        { stdin = "hi", env = { SSL_CERT_FILE = others } })
      assert.same({ 1, "" }, { result.code, result.stdout })
      assert.truthy(result.stderr:find("moonport: no TLS with tls://localhost:%d+: .*%-%-ca FILE"))
      result = connect("tls://localhost:" .. port, "hi", "--insecure")
      assert.same({ 0, "hi" }, { result.code, result.stdout })
      assert.truthy(result.stderr:find("was not checked (--insecure)", 1, true))
    end)
  end)

  describe("over UDP", function()
    local answering = "return { listen = 'udp://127.0.0.1:0', " ..
      "on_datagram = function(sock, data, peer) sock:send('<' .. data .. '>', peer) end }"

    it("sends what it reads as a datagram, with --line each line, and prints answers", function()
      local address = moonport:start(answering, { args = {} }):address()
      local result = connect(address, "one\ntwo")
      assert.same({ 0, "<one\ntwo>" }, { result.code, result.stdout })
      assert.truthy(result.stderr:find("UDP makes no connection", 1, true))
      assert.equal("<one><two>", connect(address, "one\ntwo", "--line", "--wait", "0.3").stdout)
    end)

    it("says that nobody took a datagram", function()
      local started = moonport:start(answering, { args = {} })
      local address = started:address()
      started:stop()
      local result = connect(address, "one")
      assert.equal(1, result.code)
      assert.truthy(result.stderr:find("nobody listens on udp://127.0.0.1:", 1, true))
    end)
  end)
end)
