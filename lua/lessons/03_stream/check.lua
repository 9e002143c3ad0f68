-- What is true whatever the network does: each line gets one answer, its length, in order.

local function answers(judge, server, pieces, expected, hint)
  local peer = judge:connect(server)
  server:send_apart(peer, pieces)
  local got = peer:read(#expected, 3)
  judge:expect(got ~= "", "silent")
  judge:expect(got == expected, hint, judge:shown(expected), judge:shown(got))
  local more = peer:read_more(0.3)
  judge:expect(more == "", hint, judge:shown(expected), judge:shown(got .. more))
end

return {
  hints = {
    silent = {
      en = "No answer came at all. Each line gets one: its length, and \\n.",
      ko = "아무 응답도 오지 않았습니다. 줄마다 길이와 \\n을 한 번씩 보내야 합니다.",
    },
    length = {
      en = "Wanted was %s, but %s came. The length of a line is without its \\n.",
      ko = "%s을(를) 기대했는데 %s을(를) 받았습니다. 줄의 길이에 \\n은 포함하지 않습니다.",
    },
    pieces = {
      en = "One send is not one receive: a line came in several pieces. Wanted was %s, but %s " ..
        "came. A piece is no line; a line is whole when its \\n is there.",
      ko = "send 한 번이 receive 한 번은 아닙니다. 한 줄이 여러 조각으로 나뉘어 왔습니다. %s을(를) " ..
        "기대했는데 %s을(를) 받았습니다. 조각은 줄이 아닙니다. \\n이 와야 한 줄이 끝납니다.",
    },
    forgotten = {
      en = "The beginning of the line was forgotten: wanted was %s, but %s came. What comes " ..
        "without a \\n is the beginning of a line: keep it for the next piece.",
      ko = "줄의 앞부분을 잊어버렸습니다. %s을(를) 기대했는데 %s을(를) 받았습니다. \\n 없이 온 바이트는 " ..
        "줄의 앞부분이니 다음 조각이 올 때까지 보관하세요.",
    },
    together = {
      en = "One receive may hold several lines: several sends came as one piece. Wanted was %s, " ..
        "but %s came. Look for the next \\n until there is none.",
      ko = "receive 한 번에 여러 줄이 들어 있을 수 있습니다. 여러 번 보낸 것이 한 조각으로 왔습니다. " ..
        "%s을(를) 기대했는데 %s을(를) 받았습니다. \\n이 더 없을 때까지 계속 찾으세요.",
    },
    shared = {
      en = "Two clients got into each other's way: the second one wanted %s, but got %s. A " ..
        "variable outside of the handler is the same for all connections; conn.rest is not.",
      ko = "두 클라이언트가 서로 섞였습니다. 두 번째 클라이언트는 %s을(를) 기대했는데 %s을(를) 받았습니다. " ..
        "핸들러 밖의 변수는 모든 연결이 함께 쓰지만, conn.rest는 연결마다 따로 있습니다.",
    },
  },
  checks = {
    {
      en = "a line that comes whole is answered with its length",
      ko = "한 번에 온 줄에 길이로 답합니다",
      judge = function(judge) answers(judge, judge:serve(), { "hello\n" }, "5\n", "length") end,
    },
    {
      en = "a line that comes in two pieces is answered once",
      ko = "두 조각으로 나뉘어 온 줄에 한 번만 답합니다",
      judge = function(judge)
        local server = judge:serve()
        local peer = judge:connect(server)
        server:send_apart(peer, { "hel", "lo\n" })
        local got = peer:read(2, 3)
        local all = got .. peer:read_more(0.3)
        judge:expect(all ~= "2\n", "forgotten", judge:shown("5\n"), judge:shown(all))
        judge:expect(all == "5\n", "pieces", judge:shown("5\n"), judge:shown(all))
      end,
    },
    {
      en = "three lines that come at once are answered one by one",
      ko = "한꺼번에 온 세 줄에 하나씩 답합니다",
      judge = function(judge)
        answers(judge, judge:serve(), { "a\nbb\n\n" }, "1\n2\n0\n", "together")
      end,
    },
    {
      en = "what follows the last \\n begins the next line",
      ko = "마지막 \\n 뒤에 온 바이트는 다음 줄의 시작입니다",
      judge = function(judge)
        answers(judge, judge:serve(), { "one\nfo", "ur\n" }, "3\n4\n", "forgotten")
      end,
    },
    {
      en = "every byte may come by itself",
      ko = "바이트가 하나씩 따로 와도 됩니다",
      judge = function(judge)
        local bytes = {}
        for byte in ("alpha\nbe\n"):gmatch(".") do bytes[#bytes + 1] = byte end
        answers(judge, judge:serve(), bytes, "5\n2\n", "pieces")
      end,
    },
    {
      en = "two clients that send halves at the same time do not mix",
      ko = "두 클라이언트가 동시에 반 줄씩 보내도 섞이지 않습니다",
      judge = function(judge)
        local server = judge:serve()
        local first, second = judge:connect(server), judge:connect(server)
        server:send_apart(first, { "first ha" })
        server:send_apart(second, { "lf\n" })
        local got = second:read(2, 3)
        judge:expect(got ~= "", "silent")
        judge:expect(got == "2\n", "shared", judge:shown("2\n"), judge:shown(got))
        server:send_apart(first, { "lf\n" })
        got = first:read(3, 3)
        judge:expect(got == "10\n", "forgotten", judge:shown("10\n"), judge:shown(got))
      end,
    },
  },
}
