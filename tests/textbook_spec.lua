-- textbook_spec.lua — scripts/textbook/ against Python's socket module, in both directions.
--
-- Both sides have the port of the textbook, 12345, so each test has a network of its own.

local rig = require "tests.support.rig"
local server = require "tests.support.server"
local shell = require "tests.support.shell"

-- The same programs in Python, as the tutorials print them.
local python_server = [[
import socket

server_socket = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
server_socket.bind(("localhost", 12345))
server_socket.listen(1)
client_socket, address = server_socket.accept()
print(f"Connection from {address} has been established!")
data = client_socket.recv(1024)
print(f"Received data: {data.decode()}")
client_socket.close()
server_socket.close()
]]

local python_client = [[
import socket, sys

client_socket = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
client_socket.connect(("localhost", 12345))
client_socket.send((sys.argv[1] if len(sys.argv) > 1 else "Hello, server!").encode())
client_socket.close()
]]

-- Starts $1, waits until somebody listens on 12345 (3039 in hex) and runs $2 against it. The
-- server's output comes first, then what the client said.
local pair = [[
  ip link set lo up
  setpriv --pdeathsig KILL sh -c "exec $1" &
  until grep -q ":3039 .* 0A " /proc/net/tcp /proc/net/tcp6; do sleep 0.02; done
  sh -c "$2"
  echo "client: $?"
  wait $!
  echo "server: $?"
]]

describe("the textbook's programs", function()
  local moonport = rig.new()

  local function run_pair(serve, ask)
    local result = shell.run(shell.words(shell.unshare("n"), "sh", "-c", pair, "sh", serve, ask))
    server.assert_no_report(result.stderr)
    assert.equal("", result.stderr)
    return result.stdout
  end

  local function command(kind, script, word)
    if kind == "python" then
      local code = script == "server" and python_server or python_client
      return ("python3 %s %s"):format(moonport:directory():write(script .. ".py", code), word or "")
    end
    return ("%s run scripts/textbook/%s.lua %s"):format(server.program, script, word or "")
  end

  local function assert_told(told, word)
    assert.matches("Connection from [^\n]*127%.0%.0%.1[^\n]* has been established!\n", told)
    assert.matches("\nReceived data: " .. word .. "\n", told)
    -- Either may be done first.
    assert.matches("client: 0\n", told)
    assert.matches("server: 0\n$", told)
  end

  for _, sides in ipairs({ { "moonport", "python" }, { "python", "moonport" },
    { "moonport", "moonport" }, { "python", "python" } }) do
    it(("work with %s as the server and %s as the client"):format(table.unpack(sides)), function()
      local told = run_pair(command(sides[1], "server"), command(sides[2], "client"))
      assert_told(told, "Hello, server!")
    end)
  end

  it("send the word that the client is given", function()
    local told = run_pair(command("moonport", "server"), command("moonport", "client", "Moonlight"))
    assert_told(told, "Moonlight")
  end)

  it("say that nobody serves, with the line, and end with 1", function()
    local result = shell.run(shell.words(shell.unshare("n"), "sh", "-c",
      'ip link set lo up; exec "$@"', "sh", server.program, "run", "scripts/textbook/client.lua"))
    assert.equal(1, result.code)
    assert.matches("ECONNREFUSED", result.stderr)
    assert.matches("textbook/client%.lua:%d+", result.stderr)
  end)
end)
