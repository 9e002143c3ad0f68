-- python_spec.lua — independent clients: Python's socket module and nc — shares no code with us.

local rig = require "tests.support.rig"
local shell = require "tests.support.shell"

-- The client of the textbook: connect, send, recv, close.
local textbook_client = [[
import socket, sys

client = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
client.connect(("localhost", int(sys.argv[1])))
client.send(b"Hello, server!")
print("Received from server:", client.recv(1024).decode())
client.close()
]]

-- Writes 3 MB in pieces of odd sizes, half-closes, and compares the echo.
local half_close_client = [[
import random, socket, sys, threading

random.seed(7)
sent = random.randbytes(3_000_000)
client = socket.create_connection(("127.0.0.1", int(sys.argv[1])))

def write():
    at = 0
    while at < len(sent):
        size = random.randint(1, 100_000)
        client.sendall(sent[at:at + size])
        at += size
    client.shutdown(socket.SHUT_WR)

writer = threading.Thread(target=write)
writer.start()
got = bytearray()
while piece := client.recv(65536):
    got += piece
writer.join()
print("equal" if got == sent else "different", len(got))
]]

local echo = "return { on_data = function(conn, data) conn:send(data) end }"

describe("a Python client", function()
  local moonport = rig.new()

  local function python(code, server)
    local path = moonport:directory():write("client.py", code)
    return shell.run({ "python3", path, tostring(server:port()) })
  end

  it("of the textbook is served by a script", function()
    local server = moonport:start([[
      return {
        on_open = function(conn)
          print(("> Connection from %s has been established!"):format(conn.peer_ip))
        end,
        on_data = function(conn, data)
          print("> Received data: " .. data)
          conn:send("Hello, client!")
          conn:close()
        end,
      }
    ]])
    local result = python(textbook_client, server)
    assert.equal("", result.stderr)
    assert.equal("Received from server: Hello, client!\n", result.stdout)
    assert.same({
      "Connection from 127.0.0.1 has been established!",
      "Received data: Hello, server!",
    }, server:told())
  end)

  it("gets back every byte it sent in odd pieces, after its own FIN", function()
    local result = python(half_close_client, moonport:start(echo))
    assert.equal("", result.stderr)
    assert.equal("equal 3000000\n", result.stdout)
  end)
end)

describe("nc", function()
  local moonport = rig.new()

  it("-N gets its echo and ends", function()
    local server = moonport:start(echo)
    local result = shell.run({ "nc", "-N", "127.0.0.1", tostring(server:port()) },
      { stdin = "hello" })
    assert.equal("hello", result.stdout)
    assert.equal(0, result.code)
  end)

  it("-U gets its echo over a Unix socket", function()
    local path = moonport:directory():join("echo.sock")
    moonport:start(echo, { args = { "--listen", "unix://" .. path } })
    assert.equal("hello", shell.run({ "nc", "-N", "-U", path }, { stdin = "hello" }).stdout)
  end)

  it("-z, which connects and leaves, does no harm", function()
    local server = moonport:start(echo)
    for _ = 1, 5 do
      assert.equal(0, shell.run({ "nc", "-z", "127.0.0.1", tostring(server:port()) }).code)
    end
  end)
end)
