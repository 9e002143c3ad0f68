-- A client that wants TLS, and a watcher on the line to it.

local socket = require "moonport.socket"
local task = require "moonport.task"

-- Who stands between client and server, passes everything on, and keeps what went by.
local function new_watcher(server)
  local listening, seen = socket.tcp(), {}
  assert(listening:bind("127.0.0.1", 0))
  assert(listening:listen(1))
  local function pass(from, to)
    for data in function() return (from:recv()) end do
      seen[#seen + 1] = data
      to:send(data)
    end
    to:shutdown()
  end
  task.spawn(function()
    local client = listening:accept()
    local upstream = client and socket.connect(server.address)
    if not upstream then return end
    task.spawn(pass, client, upstream)
    pass(upstream, client)
  end)
  return { address = listening:getsockname(), seen = function() return table.concat(seen) end }
end

local function quoted(text) return ('"%s"'):format(text) end

local function expect_line(judge, peer, line, expected, key)
  peer:send(line .. "\n")
  local answer = peer:read_line()
  judge:expect(answer == expected, key or "other", quoted(line), quoted(expected),
    judge:shown(answer or ""))
end

local function start_tls(judge, peer)
  peer:send("starttls\n")
  local line = peer:read_line()
  judge:expect(line, "waits")
  judge:expect(line == "go ahead", "go_ahead", judge:shown(line))
  peer.conn:settimeout(5)
  local ok, _, detail = peer.conn:starttls { name = "localhost", ca = judge.certificate.cert }
  judge:expect(ok, "no_tls", detail or "-")
  judge:tell({ en = "the handshake is done: %s", ko = "핸드셰이크가 끝났습니다: %s" },
    peer.conn.tls.cipher)
end

return {
  certificate = true,
  hints = {
    other = {
      en = "%s should be answered with %s. The answer was %s.",
      ko = "%s에는 %s(으)로 응답해야 합니다. 받은 것은 %s입니다.",
    },
    clear = {
      en = "%s came in the clear, and should be answered with %s. The answer was %s. The " ..
        "watcher on the line has read the secret. A server that takes it anyway teaches its " ..
        "clients to go on like that. conn.tls is nil where a connection does not speak TLS.",
      ko = "%s이(가) 평문으로 왔으므로 %s(으)로 응답해야 합니다. 받은 것은 %s입니다. 길목의 " ..
        "감시자는 이미 비밀을 읽었습니다. 이것을 받아 주는 서버는 클라이언트에게 계속 그래도 " ..
        "된다고 가르치는 셈입니다. TLS로 말하지 않는 연결에서는 conn.tls가 nil입니다.",
    },
    waits = {
      en = "The client sent \"starttls\" and waits for \"go ahead\" before it begins the " ..
        "handshake. Nothing came. conn:starttls() waits for the client's handshake, so each " ..
        "waits for the other: say \"go ahead\" first.",
      ko = "클라이언트가 \"starttls\"를 보내고 \"go ahead\"를 받아야 핸드셰이크를 시작하는데 " ..
        "아무것도 오지 않았습니다. conn:starttls()는 클라이언트의 핸드셰이크를 기다리므로 서로 " ..
        "기다리게 됩니다. 먼저 \"go ahead\"라고 말하세요.",
    },
    go_ahead = {
      en = "\"starttls\" should be answered with \"go ahead\". The answer was %s.",
      ko = "\"starttls\"에는 \"go ahead\"로 응답해야 합니다. 받은 것은 %s입니다.",
    },
    no_tls = {
      en = "Your script said \"go ahead\", the client began the handshake, and it failed: %s. " ..
        "\"go ahead\" alone protects nothing; conn:starttls() does.",
      ko = "스크립트가 \"go ahead\"라고 해서 클라이언트가 핸드셰이크를 시작했지만 " ..
        "실패했습니다: %s. \"go ahead\"라는 말만으로는 아무것도 보호되지 않습니다. " ..
        "conn:starttls()를 불러야 합니다.",
    },
    remembered = {
      en = "A name was said in the clear, then TLS began, and %s should be answered with %s. " ..
        "The answer was %s. Before TLS, anybody on the way could have written that name: " ..
        "forget what was said then.",
      ko = "평문으로 이름을 말한 다음 TLS가 시작되었으므로, %s에는 %s(으)로 응답해야 합니다. " ..
        "받은 것은 %s입니다. TLS 이전의 이름은 길목의 누구라도 써넣을 수 있었습니다. 그때 들은 " ..
        "것은 잊으세요.",
    },
    seen = {
      en = "The watcher on the line could read \"%s\".",
      ko = "길목의 감시자가 \"%s\"을(를) 읽을 수 있었습니다.",
    },
  },

  checks = {
    {
      en = "takes no secret in the clear",
      ko = "평문으로 온 비밀을 받지 않습니다",
      judge = function(judge)
        local peer = judge:connect(judge:serve())
        expect_line(judge, peer, "name ada", "hello, ada")
        expect_line(judge, peer, "secret tulip", "not in the clear", "clear")
        expect_line(judge, peer, "name bob", "hello, bob")
      end,
    },
    {
      en = "begins TLS, and keeps secrets inside of it",
      ko = "TLS를 시작하고 그 안에서 비밀을 지킵니다",
      judge = function(judge)
        local watcher = new_watcher(judge:serve())
        local peer = judge:connect(watcher.address)
        start_tls(judge, peer)
        expect_line(judge, peer, "name ada", "hello, ada")
        expect_line(judge, peer, "secret tulip", "kept for ada")
        local seen = watcher.seen()
        for _, word in ipairs { "ada", "tulip" } do
          judge:expect(not seen:find(word, 1, true), "seen", word)
        end
        judge:tell({ en = "the watcher saw %d bytes go by, and could read: %s",
          ko = "감시자는 %d바이트가 지나가는 것을 보았고, 읽을 수 있었던 것은 다음과 같습니다: " ..
            "%s" }, #seen,
          table.concat({ "starttls", "go ahead", seen:match("localhost") }, ", "))
      end,
    },
    {
      en = "forgets what was said in the clear",
      ko = "평문으로 들은 것을 잊습니다",
      judge = function(judge)
        local peer = judge:connect(judge:serve())
        expect_line(judge, peer, "name eve", "hello, eve")
        start_tls(judge, peer)
        expect_line(judge, peer, "secret tulip", "kept for nobody", "remembered")
      end,
    },
  },
}
