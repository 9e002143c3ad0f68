-- websocket_judges_spec.lua — WebSocket with those who have it from elsewhere: Python's websockets
-- and wsproto against frame = "websocket", and moonport.websocket against them and ourselves.

local program = require "tests.support.program"
local python = require "tests.support.python"
local rig = require "tests.support.rig"
local shell = require "tests.support.shell"
local tls = require "tests.support.tls"

local echo = [[
  return {
    frame = "websocket",
    deflate = true,
    limits = { message = "4M" },
    on_upgrade = function(_, request)
      return { protocol = (request.headers["sec-websocket-protocol"] or ""):match("chat%.1") }
    end,
    on_message = function(conn, message, kind) conn:send_message(message, kind) end,
    on_close = function(conn, reason)
      print(("> %s %s %s"):format(reason, conn.close_code, conn.close_text))
    end,
  }
]]

local websockets_client = [[
import asyncio, sys
from websockets.legacy.client import connect

async def main(port):
    for compression in None, "deflate":
        async with connect(f"ws://127.0.0.1:{port}/", compression=compression,
                           subprotocols=["chat.2", "chat.1"]) as client:
            assert client.subprotocol == "chat.1"
            assert bool(client.extensions) == bool(compression)
            for message in "", "h\u00e9llo", "x" * 70000, b"\0\xff", b"yz" * 300000:
                await client.send(message)
                assert await client.recv() == message, len(message)
            await client.send(["in ", "frag", "ments"])
            assert await client.recv() == "in fragments"
            await (await client.ping(b"there?"))
            await client.close(4005, "bye")
            assert client.close_code == 4005
    print("done")

asyncio.run(main(int(sys.argv[1])))
]]

local wsproto_client = [[
import socket, sys
from wsproto import ConnectionType, WSConnection
from wsproto.events import (AcceptConnection, BytesMessage, CloseConnection, Ping, Pong, Request,
                            TextMessage)
from wsproto.extensions import PerMessageDeflate

sock = socket.create_connection(("127.0.0.1", int(sys.argv[1])))
ws = WSConnection(ConnectionType.CLIENT)
sock.sendall(ws.send(Request(host="x", target="/", extensions=[PerMessageDeflate()])))

def events():
    while True:
        yield from ws.events()
        data = sock.recv(65536)
        ws.receive_data(data or None)
        if not data:
            return

sent = ["text", b"bytes", "\u00fc" * 50000]
got, part = [], None
for event in events():
    if isinstance(event, AcceptConnection):
        for message in sent:
            kind = TextMessage if isinstance(message, str) else BytesMessage
            sock.sendall(ws.send(kind(data=message)))
        sock.sendall(ws.send(Ping(payload=b"p")))
    elif isinstance(event, (TextMessage, BytesMessage)):
        part = event.data if part is None else part + event.data
        if event.message_finished:
            got.append(part)
            part = None
    elif isinstance(event, Pong):
        assert bytes(event.payload) == b"p"
        sock.sendall(ws.send(CloseConnection(code=1000)))
    elif isinstance(event, CloseConnection):
        assert event.code == 1000
        break
assert got == sent
print("done")
]]

local websockets_server = [[
import asyncio
from websockets.legacy import server as websockets

async def serve(conn, path):
    assert conn.request_headers["Authorization"] == "me"
    async for message in conn:
        if message == "leave":
            await conn.close(4003, "as you wish")
            return
        await conn.send(message)

async def main():
    async with websockets.serve(serve, "127.0.0.1", 0, subprotocols=["chat"]) as server:
        print(server.sockets[0].getsockname()[1], flush=True)
        await asyncio.get_running_loop().create_future()

asyncio.run(main())
]]

describe("WebSocket", function()
  local moonport = rig.new()

  local function run_python(code, needs, server)
    local path = moonport:directory():write("client.py", code)
    local result = shell.run({ python.having(needs), path, tostring(server:port()) })
    assert.equal("done\n", result.stdout, result.stderr)
  end

  it("is spoken with Python's websockets", function()
    local server = moonport:start(echo)
    run_python(websockets_client, "websockets", server)
    assert.same({ "eof 4005 bye", "eof 4005 bye" }, server:wait_told(2))
  end)

  it("is spoken with Python's wsproto", function()
    local server = moonport:start(echo)
    run_python(wsproto_client, "wsproto", server)
    assert.same({ "eof 1000 nil" }, server:wait_told(1))
  end)

  it("is spoken by moonport.websocket with Python's websockets", function()
    local path = moonport:directory():write("server.py", websockets_server)
    local child = moonport:spawn({ python.having("websockets"), path })
    local port = require("tests.support.loop").wait_until("a port", function()
      return child:stdout():match("(%d+)\n")
    end)
    local lines = program.lines(moonport, ([[
      local websocket = require "moonport.websocket"
      for _, deflate in ipairs { false, true } do
        local conn = assert(websocket.connect("ws://127.0.0.1:%s/x", {
          deflate = deflate, protocols = { "chat" }, headers = { Authorization = "me" },
          timeout = 10 }))
        print(conn.protocol)
        for _, message in ipairs { "", "h\u{e9}", ("x"):rep(300000) } do
          conn:send_message(message)
          local got, kind = conn:recv_message()
          assert(got == message and kind == "text")
        end
        conn:send_message("\xff", "binary")
        print(select(2, conn:recv_message()))
        conn:send_message("leave")
        print(conn:recv_message())
        print(conn.close_code, conn.close_text)
      end
    ]]):format(port))
    local expected = { "chat", "binary", "nil\teof\tas you wish", "4003\tas you wish" }
    assert.same(expected, { table.unpack(lines, 1, 4) })
    assert.same(expected, { table.unpack(lines, 5, 8) })
  end)

  it("is spoken by moonport.websocket with us, over TLS too", function()
    local certificate, key = tls.certificate(moonport:directory(), "localhost")
    local server = moonport:start(echo, { args = { "--listen", "tls://127.0.0.1:0",
      "--tls-cert", certificate, "--tls-key", key } })
    local port = server:address():match(":(%d+)$")
    assert.same({ "hello\ttext", "true", "4000\tnil" }, program.lines(moonport, ([[
      local websocket = require "moonport.websocket"
      local conn = assert(websocket.connect("wss://localhost:%s", { tls = { ca = %q } }))
      conn:send_message("hello")
      print(conn:recv_message())
      local long = ("x\u{e9}"):rep(300000)
      conn:send_message(long)
      assert(conn:recv_message() == long)
      print(conn.tls ~= nil)
      conn:close(4000, "over")
      print(conn.close_code, conn.close_text)
    ]]):format(port, certificate)))
    assert.same({ "eof 4000 over" }, server:wait_told(1))
  end)

  -- Each answer is that of a server that is none, or asks for too much.
  it("is not taken for spoken where the answer is not exactly right", function()
    local lines = program.lines(moonport, [[
      local websocket = require "moonport.websocket"
      local codec = require "moonport.codec"
      local good = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n" ..
        "Connection: Upgrade\r\nSec-WebSocket-Accept: ACCEPT\r\n"
      local answers = {
        good .. "\r\n",
        good:gsub("ACCEPT", "c3VyZWx5IG5vdCB0aGlzIG9uZQ==") .. "\r\n",
        good:gsub("websocket", "h2c", 1) .. "\r\n",
        good:gsub("Connection: Upgrade", "Connection: close") .. "\r\n",
        good .. "Sec-WebSocket-Protocol: other\r\n\r\n",
        good .. "Sec-WebSocket-Extensions: permessage-deflate\r\n\r\n",
        "HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n",
        "SSH-2.0-OpenSSH\r\n\r\n",
        "HTTP/1.1 101 cut off\r\n",
      }
      local server, address = listening()
      task.spawn(function()
        for _, answer in ipairs(answers) do
          local conn = server:accept()
          local key = conn:recv_until("\r\n\r\n"):match("Sec%-WebSocket%-Key: ([^\r]*)")
          local accept = codec.base64.encode(codec.sha1(key ..
            "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"))
          conn:send((answer:gsub("ACCEPT", (accept:gsub("%%", "%%%%")))))
          conn:close()
        end
      end)
      for _ in ipairs(answers) do
        local conn, code, detail = websocket.connect("ws://" .. address)
        print(conn and "open" or code .. " " .. tostring(detail):gsub("^.-: ", ""))
      end
    ]])
    for index, words in ipairs { "^open$", "^malformed .*Accept", "^malformed .*Upgrade: websocket",
      "^malformed .*Connection: Upgrade", "^malformed .*subprotocol that was not asked for",
      "^malformed .*extension that was not asked for", "^refused .*403 Forbidden", "^malformed ",
      "^eof " } do
      assert.truthy(lines[index]:find(words), lines[index])
    end
  end)
end)
