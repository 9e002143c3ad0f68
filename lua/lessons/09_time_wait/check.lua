-- Who ends a connection first, as the client and the kernel see it.

local kernel = require "moonport.lesson.kernel"
local timer = require "moonport.timer"

local LATE_S = 1 -- of the two seconds of silence, after which nobody may complain
local TRIES = 3

local function ask(judge, peer, key)
  peer:send("time\n")
  local line = peer:read_line()
  judge:expect(line or peer.ended ~= "reset", "rst")
  judge:expect(line, key)
  judge:expect(line:find("^%d%d:%d%d:%d%d$"), "no_time", judge:shown(line))
end

-- Asks again and again. True: this machine had so much to do that the question came late.
local function keep_asking(judge, peer)
  ask(judge, peer, "no_answer")
  for _ = 1, 6 do
    local answered = timer.now()
    local is_quiet = not peer.ended and peer:read_more(0.4) == "" and not peer.ended
    if timer.now() - answered > LATE_S then return true end
    judge:expect(is_quiet, "cut")
    ask(judge, peer, "cut")
  end
end

-- The state in which the kernel has the end of a connection that is at `address`.
local function state_of(address, peer)
  for _, found in ipairs(kernel.sockets()) do
    if found.address == address and found.peer == peer then return found.state end
  end
  return "-"
end

return {
  hints = {
    first = {
      en = "The client had its answer and was still connected when FIN came: your server " ..
        "closed first. The kernel now has the server's end, %s, in %s, where it stays for a " ..
        "minute, once for each client. Let the client close, and go on answering until it does.",
      ko = "클라이언트가 응답을 받고 아직 연결되어 있는데 FIN이 왔습니다. 서버가 먼저 닫은 " ..
        "것입니다. 커널에는 이 연결의 서버 쪽 끝인 %s이(가) %s 상태로 있습니다. 클라이언트마다 " ..
        "하나씩, 1분 동안 남아 있습니다. 닫는 일은 클라이언트에게 맡기고, 그때까지 계속 " ..
        "응답하세요.",
    },
    rst = {
      en = "The client received RST. It is true that RST leaves no TIME_WAIT, but it can also " ..
        "destroy an answer that is still on its way. Let the client close instead.",
      ko = "클라이언트가 RST를 받았습니다. RST를 보내면 TIME_WAIT는 남지 않지만, 아직 가는 " ..
        "중인 응답까지 함께 사라집니다. 그 대신 클라이언트가 닫게 하세요.",
    },
    no_answer = {
      en = "The client asked for the time, and got no answer.",
      ko = "클라이언트가 시각을 물었지만 응답을 받지 못했습니다.",
    },
    no_time = {
      en = "The answer to \"time\" should look like 12:34:56. It was %s.",
      ko = "\"time\"에 대한 응답은 12:34:56과 같은 모양이어야 합니다. 받은 것은 %s입니다.",
    },
    cut = {
      en = "The client asked once more on the same connection, and got no answer. It asked " ..
        "every 0.4 seconds and was never silent for two seconds: they count from the last " ..
        "question, not from the first.",
      ko = "클라이언트가 같은 연결에서 다시 물었지만 응답을 받지 못했습니다. 0.4초마다 " ..
        "물었으므로 2초 내내 조용했던 적은 없습니다. 첫 질문이 아니라 마지막 질문부터 재야 " ..
        "합니다.",
    },
    close_wait = {
      en = "The client sent FIN, and yours never came. The kernel has your end in %s, and " ..
        "keeps it there until your script closes: TIME_WAIT passes, CLOSE_WAIT does not. " ..
        "Without an on_eof moonport closes by itself; with one, it is up to you.",
      ko = "클라이언트가 FIN을 보냈지만 서버의 FIN이 오지 않았습니다. 커널에는 서버 쪽 끝이 %s " ..
        "상태로 있고, 스크립트가 닫지 않는 한 계속 남습니다. TIME_WAIT는 지나가지만 " ..
        "CLOSE_WAIT는 지나가지 않습니다. on_eof가 없으면 moonport가 알아서 닫고, 있으면 직접 " ..
        "닫아야 합니다.",
    },
    forever = {
      en = "A client has been silent for five seconds and is still connected. If all of them " ..
        "did that, your server would run out of descriptors. Let two seconds of silence be the " ..
        "end: timeouts = { idle = 2 }.",
      ko = "클라이언트가 5초 동안 조용한데도 연결되어 있습니다. 모두가 이러면 서버의 " ..
        "디스크립터가 바닥납니다. 2초 동안 조용하면 끝내세요. timeouts = { idle = 2 }입니다.",
    },
    other_way = {
      en = "The client closed first, so the kernel should have the client's end, %s, in " ..
        "TIME_WAIT. It is in %s.",
      ko = "클라이언트가 먼저 닫았으므로 커널에는 클라이언트 쪽 끝인 %s이(가) TIME_WAIT 상태로 " ..
        "있어야 합니다. 지금은 %s입니다.",
    },
  },

  checks = {
    {
      en = "leaves the first FIN to the client",
      ko = "첫 FIN을 클라이언트에게 맡깁니다",
      judge = function(judge)
        local server = judge:serve()
        local peer = judge:connect(server)
        ask(judge, peer, "no_answer")
        peer:read_more(0.2)
        judge:expect(peer.ended ~= "reset", "rst")
        if peer.ended then
          peer:close()
          server:wait_event({ event = "close", conn = server:conn_of(peer) }, 1)
          judge:fail("first", server.address, state_of(server.address, peer.address))
        end
        peer:shutdown()
        local _, code = peer:read_all()
        judge:expect(code ~= "timeout", "close_wait",
          state_of(server.address, peer.address))
        local state = state_of(peer.address, server.address)
        judge:tell({ en = "the kernel has the client's end in %s",
          ko = "커널에는 클라이언트 쪽 끝이 %s 상태로 있습니다" }, state)
        judge:expect(state == "TIME_WAIT", "other_way", peer.address, state)
      end,
    },
    {
      en = "answers as long as the client asks, and lets it go after two seconds of silence",
      ko = "클라이언트가 묻는 동안 응답하고, 2초 동안 조용하면 연결을 끝냅니다",
      judge = function(judge)
        local server = judge:serve()
        local peer
        for _ = 1, TRIES do
          peer = judge:connect(server)
          if not keep_asking(judge, peer) then break end
        end
        local _, code = peer:read_all()
        judge:expect(code ~= "timeout", "forever")
      end,
    },
  },
}
