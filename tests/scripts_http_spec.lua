-- scripts_http_spec.lua — scripts/http.lua, asked by curl, wrk, ab and Python — not what HTTP is.

local rig = require "tests.support.rig"
local shell = require "tests.support.shell"

local BODY = "Hello from moonport!\n"

describe("scripts/http.lua", function()
  local moonport = rig.new()

  local function start()
    return moonport:serve({ "--listen", "127.0.0.1:0", "scripts/http.lua" })
  end

  local function curl(server, path, ...)
    local command = { "curl", "-sS", "--noproxy", "*", ... }
    command[#command + 1] = "http://127.0.0.1:" .. server:port() .. path
    local result = shell.run(command)
    assert.equal("", result.stderr)
    return result.stdout
  end

  it("says hello to curl, as its comment says", function()
    local server = start()
    assert.equal(BODY, curl(server, "/"))
    local text = curl(server, "/hello/ada", "-i")
    assert.matches("^HTTP/1%.1 200 OK\r\n", text)
    assert.matches("\r\nx%-served%-by: moonport\r\n", text)
    assert.matches("\r\n\r\nHello, ada!\n$", text)
    assert.equal("Hello, 아다!\n", curl(server, "/hello/%EC%95%84%EB%8B%A4"))
    assert.matches("^HTTP/1%.1 404 Not Found\r\n", curl(server, "/nowhere", "-i"))
  end)

  it("keeps curl's connection for several requests", function()
    local server = start()
    local url = "http://127.0.0.1:" .. server:port() .. "/"
    local connects = {}
    local versions = { { "--http1.1" }, { "--http1.0", "-H", "Connection: keep-alive" } }
    for _, options in ipairs(versions) do
      local command = { "curl", "-sS", "--noproxy", "*", "-o", "/dev/null", "-o", "/dev/null", "-o",
        "/dev/null", "-w", "%{num_connects} ", table.unpack(options) }
      table.move({ url, url .. "b", url .. "c" }, 1, 3, #command + 1, command)
      connects[#connects + 1] = shell.run(command).stdout
    end
    assert.same({ "1 0 0 ", "1 0 0 " }, connects)
  end)

  it("answers HEAD without a body, and takes one that nobody wants", function()
    local server = start()
    local head = curl(server, "/", "-I")
    assert.matches("^HTTP/1%.1 200 OK\r\n.*\r\nContent%-Length: 21\r\n\r\n$", head)
    local path = moonport:directory():write("body", ("GET / HTTP/1.1\r\n\r\n"):rep(10000))
    assert.equal(BODY, curl(server, "/", "--data-binary", "@" .. path))
  end)

  it("serves wrk without an error", function()
    local url = "http://127.0.0.1:" .. start():port() .. "/"
    local result = shell.run({ "wrk", "-t1", "-c50", "-d1s", url })
    assert.equal(0, result.code)
    assert.matches("[1-9]%d* requests in", result.stdout)
    assert.is_nil(result.stdout:find("Socket errors", 1, true), result.stdout)
    assert.is_nil(result.stdout:find("Non-2xx", 1, true), result.stdout)
  end)

  it("serves ab, with and without keep-alive", function()
    local url = "http://127.0.0.1:" .. start():port() .. "/"
    for kept, options in pairs({ [0] = {}, [1000] = { "-k" } }) do
      local result = shell.run({ "ab", "-q", "-n", "1000", "-c", "20", "-l",
        options[1] or "-q", url })
      assert.equal(0, result.code, result.stderr)
      assert.matches("Complete requests:%s+1000\n", result.stdout)
      assert.matches("Failed requests:%s+0\n", result.stdout)
      assert.equal(tostring(kept), result.stdout:match("Keep%-Alive requests:%s+(%d+)\n") or "0")
    end
  end)

  it("serves Python's client on one connection", function()
    local code = [[
import http.client, sys
conn = http.client.HTTPConnection("127.0.0.1", int(sys.argv[1]))
conn.connect()
first = conn.sock
for method, body in (("GET", None), ("HEAD", None), ("POST", b"x" * 100000), ("GET", None)):
    conn.request(method, "/", body)
    answer = conn.getresponse()
    print(method, answer.status, answer.read(), conn.sock is first)
]]
    local result = shell.run({ "python3", "-c", code, tostring(start():port()) })
    local hello = "b'Hello from moonport!\\n'"
    assert.equal(("GET 200 %s True\nHEAD 200 b'' True\nPOST 200 %s True\nGET 200 %s True\n"):format(
      hello, hello, hello), result.stdout)
    assert.equal("", result.stderr)
  end)
end)
