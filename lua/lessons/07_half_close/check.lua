-- A client that has said everything, and waits for the answer.

local SORTED = "apple\nfig\npear\n"
local UNFINISHED = "fig\npear\n" -- without the last line that came

-- Sends FIN, and expects these lines in return and then FIN. `alien` is a line of somebody else.
local function expect_lines(judge, server, peer, expected, alien)
  peer:shutdown()
  local text, code = peer:read_all()
  judge:expect(code ~= "reset", "reset")
  judge:expect(not text:find(alien or "%z"), "mixed", judge:shown(text), judge:shown(expected))
  if text == expected then return judge:expect(code == "eof", "open") end
  judge:expect(text ~= "" or code == "eof", "silent")
  if text == "" then
    local has_on_close = server:wait_event({ event = "handler", handler = "on_close" }, 0.3)
    judge:fail(has_on_close and "late" or "no_answer")
  end
  judge:expect(text ~= UNFINISHED, "unfinished")
  judge:fail("other", judge:shown(text), judge:shown(expected))
end

return {
  hints = {
    early = {
      en = "Your script answered (%s) before the client had sent FIN. The next line may sort " ..
        "before all the others: nobody knows the order until the last line is here. on_eof is " ..
        "called at FIN.",
      ko = "클라이언트가 FIN을 보내지 않았는데 스크립트가 응답했습니다(%s). 다음 줄이 순서상 " ..
        "맨 앞에 올 수도 있으므로 마지막 줄이 도착하기 전에는 순서를 알 수 없습니다. FIN이 " ..
        "오면 on_eof가 호출됩니다.",
    },
    pause = {
      en = "The client was silent for a moment, and your script took that for the end. Silence " ..
        "says nothing: the network may be slow, or the person may be thinking. Only FIN says " ..
        "that no more will come; on_eof is called then.",
      ko = "클라이언트가 잠시 조용했을 뿐인데 스크립트가 그것을 끝으로 여겼습니다. 네트워크가 " ..
        "느리거나 사람이 생각 중일 수도 있으니 침묵은 아무것도 알려 주지 않습니다. 더 보낼 " ..
        "것이 없다는 뜻은 FIN뿐이고, 그때 on_eof가 호출됩니다.",
    },
    ended = {
      en = "Your script ended the connection before the client had sent FIN.",
      ko = "클라이언트가 FIN을 보내지 않았는데 스크립트가 연결을 끝냈습니다.",
    },
    no_answer = {
      en = "The client sent FIN and got FIN in return, without an answer. A service without " ..
        "on_eof closes as soon as the client has said everything. But half of the connection " ..
        "is still open then, the half towards the client, and on_eof may use it.",
      ko = "클라이언트가 FIN을 보내자 응답 없이 FIN만 돌아왔습니다. on_eof가 없는 서비스는 " ..
        "클라이언트가 할 말을 마치면 바로 연결을 닫습니다. 그 순간에도 연결의 절반, 곧 " ..
        "클라이언트 쪽으로 가는 방향은 아직 열려 있습니다. on_eof에서 그 방향을 쓸 수 있습니다.",
    },
    late = {
      en = "Your script answered in on_close, when the connection was gone and nobody could " ..
        "hear it. The client's FIN is on_eof, the end of one half; on_close is the end of both.",
      ko = "스크립트가 on_close에서 응답했습니다. 그때는 이미 연결이 없어져서 아무도 듣지 " ..
        "못합니다. 클라이언트의 FIN은 절반이 끝났다는 on_eof이고, on_close는 양쪽이 모두 " ..
        "끝났다는 뜻입니다.",
    },
    silent = {
      en = "The client sent FIN five seconds ago and still waits: nothing came back, and the " ..
        "connection is open.",
      ko = "클라이언트가 5초 전에 FIN을 보내고 계속 기다리고 있습니다. 돌아온 것이 없고 연결도 " ..
        "열려 있습니다.",
    },
    open = {
      en = "The answer came, but no FIN after it, so the client does not know whether that was " ..
        "all. If you write on_eof yourself, you also have to close: conn:close() sends what is " ..
        "queued, then FIN.",
      ko = "응답은 왔지만 그 뒤에 FIN이 없어서 클라이언트는 응답이 그것으로 끝인지 알 수 " ..
        "없습니다. on_eof를 직접 쓰면 닫는 것도 직접 해야 합니다. conn:close()는 보낼 것을 다 " ..
        "보낸 다음 FIN을 보냅니다.",
    },
    reset = {
      en = "The client received RST in place of an orderly end. conn:reset() throws away what " ..
        "is on its way; conn:close() does not.",
      ko = "클라이언트가 정상적인 끝맺음 대신 RST를 받았습니다. conn:reset()은 보내던 것을 " ..
        "버리지만 conn:close()는 버리지 않습니다.",
    },
    unfinished = {
      en = "The last line had no newline at its end, and is missing from the answer: FIN ends " ..
        "a line, too. on_message gets such a line like any other; recv_line returns it as a " ..
        "third value, after nil and \"eof\".",
      ko = "마지막 줄 끝에 줄바꿈이 없었는데 그 줄이 빠졌습니다. FIN도 줄의 끝입니다. " ..
        "on_message는 이런 줄도 다른 줄과 똑같이 받고, recv_line은 nil과 \"eof\" 다음의 세 " ..
        "번째 값으로 돌려줍니다.",
    },
    other = {
      en = "The client received %s and expected %s.",
      ko = "클라이언트가 기대한 줄과 다릅니다. 받은 것은 %s, 기대한 것은 %s입니다.",
    },
    mixed = {
      en = "Two clients were connected, and one of them received %s. Its own lines were %s: " ..
        "what belongs to one connection goes into a field of conn.",
      ko = "두 클라이언트가 연결되어 있었는데 한쪽이 %s을(를) 받았습니다. 그쪽이 보낸 줄은 " ..
        "%s입니다. 한 연결에 속한 것은 conn의 필드에 두어야 합니다.",
    },
  },

  checks = {
    {
      en = "waits for FIN, however long the client is silent",
      ko = "클라이언트가 아무리 오래 조용해도 FIN을 기다립니다",
      judge = function(judge)
        local server = judge:serve()
        local peer = judge:connect(server)
        server:send_apart(peer, { "pear\n", "apple\n" })
        local text = peer:read_more(0.1)
        local is_early = text ~= "" and
          not server:wait_event({ event = "handler", handler = "timer" }, 0.5)
        judge:expect(not is_early, "early", judge:shown(text))
        judge:expect(text == "" and peer:read_more(0.5) == "", "pause")
        judge:expect(not peer.ended, "ended")
        peer:send("fig\n")
        expect_lines(judge, server, peer, SORTED)
      end,
    },
    {
      en = "counts a last line that has no newline",
      ko = "줄바꿈이 없는 마지막 줄도 셉니다",
      judge = function(judge)
        local server = judge:serve()
        local peer = judge:connect(server)
        peer:send("fig\npear\napple")
        expect_lines(judge, server, peer, SORTED)
      end,
    },
    {
      en = "keeps two clients apart",
      ko = "두 클라이언트의 줄을 섞지 않습니다",
      judge = function(judge)
        local server = judge:serve()
        local one, other = judge:connect(server), judge:connect(server)
        one:send("pear\n")
        other:send("moon\n")
        server:send_apart(one, { "fig\n", "apple\n" })
        expect_lines(judge, server, one, SORTED, "moon")
        expect_lines(judge, server, other, "moon\n", "fig")
      end,
    },
  },
}
