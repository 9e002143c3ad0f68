-- A client and a server on the two sides of the editor.

local socket = require "moonport.socket"

-- A server for the editor to connect to. `accept` gives its end of the connection.
local function new_upstream(judge)
  local listening = socket.tcp()
  assert(listening:bind("127.0.0.1", 0))
  assert(listening:listen(4))
  listening:settimeout(5)
  return { address = listening:getsockname(), accept = function()
    local conn = listening:accept()
    judge:expect(conn, "not_reached", listening:getsockname())
    conn:settimeout(5)
    return conn
  end }
end

-- A client and a server, joined by the editor.
local function joined(judge, server)
  local upstream = new_upstream(judge)
  local peer = judge:connect(server)
  peer:send("to " .. upstream.address .. "\n")
  return peer, upstream.accept()
end

local TELL = { en = "the server receives %s", ko = "서버가 받습니다: %s" }

local WORDS = { -- as sent, as they arrive
  { "pay M-123456 now", "pay M-000000 now", "plain" },
  { "M-1234567890", "M-000000", "plain" },
  { "from M-111111 to M-222222", "from M-000000 to M-000000", "both" },
  { "M-12345 is too short", "M-12345 is too short", "borders" },
  { "M-12345678901 is too long", "M-12345678901 is too long", "borders" },
  { "XM-123456 and M-123456-7", "XM-123456 and M-123456-7", "borders" },
}

local function compare(judge, key, line, expected)
  judge:expect(line == expected, key, judge:shown(line or ""), ('"%s"'):format(expected))
end

return {
  hints = {
    not_reached = {
      en = "The client said \"to %s\", and nobody connected there.",
      ko = "클라이언트가 \"to %s\"라고 했지만 그곳에 아무도 연결하지 않았습니다.",
    },
    plain = {
      en = "The server received %s and expected %s.",
      ko = "서버가 받은 것은 %s, 기대한 것은 %s입니다.",
    },
    both = {
      en = "Two account numbers were in one line. The server received %s and expected %s.",
      ko = "한 줄에 계좌 번호가 두 개 있었습니다. 서버가 받은 것은 %s, 기대한 것은 %s입니다.",
    },
    borders = {
      en = "The server received %s and expected %s. A word is what stands between blanks, and " ..
        "only a whole word is an account: M- and 6 to 10 digits, with nothing before or after " ..
        "them.",
      ko = "서버가 받은 것은 %s, 기대한 것은 %s입니다. 단어는 빈칸 사이에 있는 것이고, 단어 " ..
        "전체가 M-와 숫자 6~10개여야 계좌입니다. 앞뒤에 다른 것이 붙으면 안 됩니다.",
    },
    back = {
      en = "What the server says is edited as well. The client received %s and expected %s.",
      ko = "서버가 하는 말도 고쳐야 합니다. 클라이언트가 받은 것은 %s, 기대한 것은 %s입니다.",
    },
    cut = {
      en = "The network cut a line in the middle of an account number. The server received %s " ..
        "and expected %s: you need the whole line before you can look through it.",
      ko = "네트워크가 계좌 번호 한가운데에서 줄을 잘랐습니다. 서버가 받은 것은 %s, 기대한 " ..
        "것은 %s입니다. 온전한 줄이 있어야 살펴볼 수 있습니다.",
    },
    unfinished = {
      en = "The client's last line had no newline when FIN came, and the server received %s of " ..
        "it. Nobody knows what the line would have become, perhaps an account number: drop it.",
      ko = "클라이언트의 마지막 줄이 줄바꿈 없이 FIN으로 끝났는데 서버가 %s을(를) 받았습니다. " ..
        "계좌 번호가 될 수도 있었던, 무엇이 되었을지 모르는 줄입니다. 버리세요.",
    },
    no_fin = {
      en = "The client sent FIN, and the server on the other side was not told. It waits for " ..
        "more that will never come: pass the end on with shutdown().",
      ko = "클라이언트가 FIN을 보냈는데 반대편 서버에는 알려지지 않았습니다. 서버는 오지 않을 " ..
        "것을 기다립니다. shutdown()으로 끝을 전하세요.",
    },
    cut_off = {
      en = "The client sent FIN and waits for the server's last line. It received %s and " ..
        "expected %s: FIN ends one direction, and the other one has to go on.",
      ko = "클라이언트가 FIN을 보내고 서버의 마지막 줄을 기다립니다. 받은 것은 %s, 기대한 것은 " ..
        "%s입니다. FIN은 한 방향만 끝냅니다. 다른 방향은 계속되어야 합니다.",
    },
    no_end = {
      en = "The server closed, and the client was not told.",
      ko = "서버가 연결을 닫았는데 클라이언트에게 알려지지 않았습니다.",
    },
    nobody = {
      en = "Nobody listens where the client wanted to go. It should be told \"* nobody " ..
        "there\"; it received %s. socket.connect returns nil and a code then. If you assert " ..
        "that, an error is raised, and the client is told nothing.",
      ko = "클라이언트가 가려는 곳에 아무도 없습니다. \"* nobody there\"라고 알려 주어야 " ..
        "하는데 클라이언트가 받은 것은 %s입니다. 이때 socket.connect는 nil과 코드를 돌려주고, " ..
        "assert는 오류를 일으킵니다. 클라이언트는 그 오류를 알 수 없습니다.",
    },
    stays = {
      en = "Nobody listens where the client wanted to go. It was told so, and the connection " ..
        "is still open.",
      ko = "클라이언트가 가려는 곳에 아무도 없다고 알려 주었지만 연결이 열려 있습니다.",
    },
  },

  checks = {
    {
      en = "hides account numbers both ways, and nothing else",
      ko = "양쪽 방향에서 계좌 번호만 감춥니다",
      judge = function(judge)
        local server = judge:serve()
        local peer, upstream = joined(judge, server)
        for _, row in ipairs(WORDS) do
          peer:send(row[1] .. "\n")
          local line = upstream:recv_line()
          if line then judge:tell(TELL, judge:shown(line)) end
          compare(judge, row[3], line, row[2])
        end
        for _, row in ipairs(WORDS) do
          upstream:send(row[1] .. "\n")
          compare(judge, "back", peer:read_line(), row[2])
        end
      end,
    },
    {
      en = "edits whole lines, however they are cut",
      ko = "어떻게 잘려 오든 온전한 줄을 고칩니다",
      judge = function(judge)
        local server = judge:serve()
        local peer, upstream = joined(judge, server)
        server:send_apart(peer, { "pay M-12", "3456 now\npay", " M-", "654321\n" })
        for _, expected in ipairs { "pay M-000000 now", "pay M-000000" } do
          compare(judge, "cut", upstream:recv_line(), expected)
        end
      end,
    },
    {
      en = "passes on the end of either side, and no more than that",
      ko = "한쪽의 끝을 그대로, 그것만 전합니다",
      judge = function(judge)
        local server = judge:serve()
        local peer, upstream = joined(judge, server)
        peer:send("that was all\npay M-1234")
        peer:shutdown()
        upstream:recv_line()
        local rest, code = upstream:recv()
        judge:expect(not rest, "unfinished", judge:shown(rest or ""))
        judge:expect(code == "eof", "no_fin")
        upstream:send("and this is the receipt of M-123456\n")
        upstream:close()
        compare(judge, "cut_off", peer:read_line(), "and this is the receipt of M-000000")
        local _, ended = peer:read_all()
        judge:expect(ended ~= "timeout", "no_end")
      end,
    },
    {
      en = "says so when there is nobody",
      ko = "상대가 없으면 알려 줍니다",
      judge = function(judge)
        local peer = judge:connect(judge:serve())
        peer:send(("to 127.0.0.1:%d\n"):format(judge.free_port()))
        local line = peer:read_line()
        judge:expect(line == "* nobody there", "nobody", judge:shown(line or ""))
        local _, code = peer:read_all()
        judge:expect(code ~= "timeout", "stays")
      end,
    },
  },
}
