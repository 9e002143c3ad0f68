-- scripts_wide_chat_spec.lua — scripts/wide_chat.lua on two servers, with WebSockets of Python.

local brokers = require "tests.support.brokers"
local python = require "tests.support.python"
local rig = require "tests.support.rig"
local shell = require "tests.support.shell"

-- Its arguments are the ports of one server, and of the other.
local talk = [[
import asyncio, json, sys, websockets
def enter(server, room, name):
    return websockets.connect(f"ws://127.0.0.1:{sys.argv[server]}/?room={room}&name={name}")
async def main():
    async with enter(1, "tea", "ada") as ada, enter(2, "", "eve") as eve:
        print(await ada.recv(), await eve.recv())
        async with enter(2, "tea", "bob") as bob:
            print(await ada.recv(), await bob.recv())
            await bob.send("안녕, \"ada\"")
            print(json.loads(await ada.recv()), json.loads(await bob.recv()))
            await ada.send("here")
            print(json.loads(await bob.recv()), json.loads(await ada.recv()))
        print(await ada.recv())
        await eve.send("nobody here?")
        print(json.loads(await eve.recv()))
asyncio.run(main())
]]

local heard = [[
{"text":"ada came in"} {"text":"eve came in"}
{"text":"bob came in"} {"text":"bob came in"}
{'from': 'bob', 'text': '안녕, "ada"'} {'from': 'bob', 'text': '안녕, "ada"'}
{'from': 'ada', 'text': 'here'} {'from': 'ada', 'text': 'here'}
{"text":"bob left"}
{'from': 'eve', 'text': 'nobody here?'}
]]

describe("scripts/wide_chat.lua", function()
  local moonport = rig.new()

  local function start(url)
    local server = moonport:serve({ "--listen", "127.0.0.1:0", "scripts/wide_chat.lua" },
      { env = { MOONPORT_BUS = url } })
    if url then
      server:allow_log("is not there: ") -- at the end: the broker goes first
      server:wait_for("connected to the broker")
      server.sockets_at_start = server:sockets()
    end
    return server:port()
  end

  local function listen_in(one, other)
    local interpreter = python.having("websockets")
    local result = shell.run({ interpreter, "-c", talk, tostring(one), tostring(other) })
    assert.equal("", result.stderr)
    assert.equal(heard, result.stdout)
  end

  it("is a chat on one machine", function()
    local port = start()
    listen_in(port, port)
  end)

  for name in pairs({ redis = 1, nats = 1 }) do
    it("spans two over " .. name, function()
      local broker = brokers[name].start(moonport)
      listen_in(start(broker.url), start(broker.url))
    end)
  end
end)
