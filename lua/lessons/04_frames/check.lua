-- Messages of two bytes of length and so many bytes, in and out.

local function framed(message) return string.pack(">s2", message) end

-- The next message, or nil and all that came in its place.
local function read_message(peer)
  local head = peer:read(2, 3)
  if #head < 2 then return nil, head end
  local size = string.unpack(">I2", head)
  local body = peer:read(size, 2)
  if #body < size then return nil, head .. body end
  return body
end

-- Whether the script answers these bytes at all, on a connection of its own.
local function is_answered(judge, server, bytes)
  local peer = judge:connect(server)
  peer:send(bytes)
  return peer:read(1, 1) ~= ""
end

-- Why a message got no answer: what the script takes for one.
local function explain_silence(judge, server)
  -- 0x0101 is the same number in both byte orders.
  if is_answered(judge, server, framed(("x"):rep(0x0101))) then judge:fail("byte_order") end
  if is_answered(judge, server, "\0\5hello\n") then judge:fail("line") end
  judge:fail("silent")
end

local function expect_answer(judge, peer, message, hint)
  local got, raw = read_message(peer)
  local wanted = message:upper()
  if not got and raw == "" then judge:fail(hint, judge:shown(framed(wanted)), judge:shown("")) end
  local is_bare = not got and raw:find(wanted:sub(1, 2), 1, true)
  if is_bare then judge:fail("unframed", judge:shown(raw)) end
  judge:expect(got == wanted, hint, judge:shown(framed(wanted)),
    judge:shown(got and framed(got) or raw))
end

return {
  hints = {
    silent = {
      en = "No answer came. The message is whole when as many bytes are there as its first two " ..
        "bytes say; nothing else marks its end.",
      ko = "답이 오지 않았습니다. 처음 두 바이트가 말하는 만큼 바이트가 오면 메시지가 끝난 것입니다. " ..
        "끝을 알리는 다른 표시는 없습니다.",
    },
    line = {
      en = "Your script still waits for a \\n. In this protocol a \\n is a byte like any other: " ..
        "the length says where a message ends.",
      ko = "스크립트가 아직 \\n을 기다립니다. 이 프로토콜에서 \\n은 다른 바이트와 똑같습니다. 메시지의 끝은 " ..
        "길이가 알려 줍니다.",
    },
    byte_order = {
      en = "The bytes of your length are the wrong way round: 00 05 is 5, and not 1280. In " ..
        "network byte order the larger end comes first: big-endian, \"be\".",
      ko = "길이의 바이트 순서가 거꾸로입니다. 00 05는 1280이 아니라 5입니다. 네트워크 바이트 순서에서는 큰 자리가 " ..
        "먼저 옵니다. 빅 엔디언, 즉 \"be\"입니다.",
    },
    unframed = {
      en = "The answer has no length before it: %s. The client could not tell where it ends. " ..
        "conn:send_message() frames what it sends, conn:send() does not.",
      ko = "답 앞에 길이가 없습니다: %s. 클라이언트는 답이 어디서 끝나는지 알 수 없습니다. conn:send_message()는 " ..
        "프레임을 붙이지만 conn:send()는 붙이지 않습니다.",
    },
    wrong = {
      en = "Wanted was %s, but %s came.",
      ko = "%s을(를) 기대했는데 %s을(를) 받았습니다.",
    },
    pieces = {
      en = "A frame came in pieces, and the first cut went through its length. Wanted was %s, " ..
        "but %s came. Wait for two bytes, then for as many as they say.",
      ko = "프레임이 여러 조각으로 왔고, 첫 조각은 길이 한가운데서 잘렸습니다. %s을(를) 기대했는데 %s을(를) " ..
        "받았습니다. 두 바이트를 기다린 다음, 그 두 바이트가 말하는 만큼 기다리세요.",
    },
    together = {
      en = "Three frames came in one piece, and each of them is a message. Wanted was %s, but " ..
        "%s came.",
      ko = "프레임 세 개가 한 조각으로 왔고, 하나하나가 메시지입니다. %s을(를) 기대했는데 %s을(를) 받았습니다.",
    },
    large = {
      en = "A message of 60000 bytes takes several reads. Wanted was %s, but %s came.",
      ko = "60000바이트 메시지는 여러 번에 나누어 읽힙니다. %s을(를) 기대했는데 %s을(를) 받았습니다.",
    },
  },
  checks = {
    {
      en = "a message is answered with a message",
      ko = "메시지에 메시지로 답합니다",
      judge = function(judge)
        local server = judge:serve()
        local peer = judge:connect(server)
        peer:send(framed("hello"))
        local answer = peer:read(1, 3)
        if answer == "" then explain_silence(judge, server) end
        if answer == "H" then
          judge:fail("unframed", judge:shown(answer .. peer:read_more(0.2)))
        end
        local rest = peer:read(6, 2)
        judge:expect(answer .. rest == framed("HELLO"), "wrong", judge:shown(framed("HELLO")),
          judge:shown(answer .. rest))
      end,
    },
    {
      en = "a \\n in a message is a byte like any other",
      ko = "메시지 속 \\n도 다른 바이트와 같습니다",
      judge = function(judge)
        local peer = judge:connect(judge:serve())
        peer:send(framed("one\ntwo\n"))
        expect_answer(judge, peer, "one\ntwo\n", "wrong")
      end,
    },
    {
      en = "a frame may come in pieces, cut anywhere",
      ko = "프레임은 어디서든 잘려서 올 수 있습니다",
      judge = function(judge)
        local server = judge:serve()
        local peer = judge:connect(server)
        server:send_apart(peer, { "\0", "\5he", "llo" })
        expect_answer(judge, peer, "hello", "pieces")
      end,
    },
    {
      en = "three frames may come at once, one of them empty",
      ko = "프레임 세 개가 한꺼번에 올 수 있고, 하나는 비어 있습니다",
      judge = function(judge)
        local peer = judge:connect(judge:serve())
        peer:send(framed("a") .. framed("") .. framed("ccc"))
        for _, message in ipairs { "a", "", "ccc" } do
          expect_answer(judge, peer, message, "together")
        end
      end,
    },
    {
      en = "a message of 60000 bytes comes back whole",
      ko = "60000바이트 메시지가 온전히 돌아옵니다",
      judge = function(judge)
        local peer = judge:connect(judge:serve())
        local message = ("moon and sea\n"):rep(5000):sub(1, 60000)
        peer:send(framed(message))
        expect_answer(judge, peer, message, "large")
      end,
    },
  },
}
