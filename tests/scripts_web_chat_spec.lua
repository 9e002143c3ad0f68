-- scripts_web_chat_spec.lua — scripts/web_chat.lua, with WebSockets of Python; not in a browser.

local rig = require "tests.support.rig"
local shell = require "tests.support.shell"

local talk = [[
import asyncio, json, sys, websockets
def enter(room, name, **more):
    return websockets.connect(f"ws://127.0.0.1:{sys.argv[1]}/?room={room}&name={name}", **more)
async def main():
    async with enter("tea", "ada") as ada, enter("water", "eve") as eve:
        print(await ada.recv(), await eve.recv())
        async with enter("tea", "bob") as bob:
            print(await ada.recv(), await bob.recv())
            await bob.send("안녕, \"ada\"")
            print(json.loads(await ada.recv()))
        print(await ada.recv())
        await eve.send("nobody here?")
        print(json.loads(await eve.recv()))
        for refused in ({"origin": "http://evil.example"}, {"name": "n" * 21}):
            name = refused.pop("name", "bob")
            try:
                async with enter("tea", name, **refused): print("let in")
            except Exception as error: print(error)
asyncio.run(main())
]]

describe("scripts/web_chat.lua", function()
  local moonport = rig.new()

  it("tells a room what is said in it, and no other", function()
    if shell.run({ "/usr/bin/python3", "-c", "import websockets" }).code ~= 0 then
      return pending("there is no python3-websockets")
    end
    local server = moonport:serve({ "--listen", "127.0.0.1:0", "scripts/web_chat.lua" })
    local result = shell.run({ "/usr/bin/python3", "-c", talk, tostring(server:port()) })
    assert.equal("", result.stderr)
    assert.equal([[
{"text":"ada came in"} {"text":"eve came in"}
{"text":"bob came in"} {"text":"bob came in"}
{'from': 'bob', 'text': '안녕, "ada"'}
{"text":"bob left"}
{'from': 'eve', 'text': 'nobody here?'}
server rejected WebSocket connection: HTTP 403
server rejected WebSocket connection: HTTP 400
]], result.stdout)
    server:wait_idle()
  end)

  it("has a page for browsers, and nothing else", function()
    local server = moonport:serve({ "--listen", "127.0.0.1:0", "scripts/web_chat.lua" })
    local url = "http://127.0.0.1:" .. server:port()
    local page = shell.run({ "curl", "-sSi", url .. "/" }).stdout
    assert.matches("^HTTP/1%.1 200 OK\r\n.*text/html.*new WebSocket%(", page)
    assert.equal("404", shell.run({ "curl", "-s", "-o", "/dev/null", "-w", "%{http_code}",
      url .. "/favicon.ico" }).stdout)
  end)
end)
