-- Clients that end with FIN, with RST, and are ended.

-- Asks, so that the connection is known to be served.
local function tally(judge, peer)
  peer:send("tally\n")
  local line = peer:read_line()
  judge:expect(line, "no_tally")
  return line
end

return {
  hints = {
    taken_back = {
      en = "The client said bye and received RST. conn:reset() throws away what is waiting to " ..
        "be sent, and RST makes the client's kernel throw away what had arrived: \"goodbye\" " ..
        "can be lost twice. conn:close() sends it, then FIN.",
      ko = "클라이언트가 bye라고 했는데 RST를 받았습니다. conn:reset()은 보내려던 것을 버리고, " ..
        "RST를 받은 클라이언트의 커널은 이미 도착한 것까지 버립니다. \"goodbye\"는 두 번 " ..
        "사라질 수 있습니다. conn:close()는 그것을 보낸 다음 FIN을 보냅니다.",
    },
    goodbye = {
      en = "The client said bye, and should receive \"goodbye\" and a newline. It received %s.",
      ko = "bye라고 한 클라이언트는 \"goodbye\"와 줄바꿈을 받아야 합니다. 받은 것은 %s입니다.",
    },
    open = {
      en = "The client said bye and got its answer, but the connection stays open: no FIN came.",
      ko = "bye라고 한 클라이언트가 응답은 받았지만 FIN이 오지 않아 연결이 열린 채로 있습니다.",
    },
    polite = {
      en = "The client that is to be thrown out received FIN. That is what conn:close() sends, " ..
        "and it is the polite end: \"I have said everything.\" RST says \"this connection is " ..
        "no more\", and conn:reset() sends it.",
      ko = "쫓아내야 할 클라이언트가 FIN을 받았습니다. FIN은 conn:close()가 보내는 것으로, " ..
        "\"할 말을 다 했습니다\"라는 정중한 끝맺음입니다. \"이 연결은 이제 없다\"는 뜻은 " ..
        "RST이고, conn:reset()이 보냅니다.",
    },
    kept = {
      en = "The client that is to be thrown out is still connected after five seconds.",
      ko = "쫓아내야 할 클라이언트가 5초가 지나도 연결되어 있습니다.",
    },
    no_tally = {
      en = "A client asked for the tally and got no line.",
      ko = "클라이언트가 tally를 물었지만 한 줄도 받지 못했습니다.",
    },
    half = {
      en = "A client sent FIN, and your script never sent its own: that connection stays half " ..
        "open for ever (CLOSE_WAIT). If you write on_eof yourself, you have to close; without " ..
        "one, moonport does.",
      ko = "클라이언트가 FIN을 보냈지만 스크립트는 자기 FIN을 보내지 않았습니다. 이 연결은 " ..
        "영원히 절반만 닫힌 채로 남습니다(CLOSE_WAIT). on_eof를 쓰면 직접 닫아야 하고, 쓰지 " ..
        "않으면 moonport가 닫습니다.",
    },
    own = {
      en = "One client left with FIN and one with RST; two more were ended by your script. The " ..
        "tally is \"%s\" and should be \"fin 1, rst 1\". on_close is told the reason: \"eof\" " ..
        "and \"reset\" come from the client, \"closed\" means that you ended it.",
      ko = "클라이언트 하나는 FIN으로, 하나는 RST로 떠났고, 다른 둘은 스크립트가 끝냈습니다. " ..
        "tally는 \"fin 1, rst 1\"이어야 하는데 \"%s\"입니다. on_close는 이유를 알려 줍니다. " ..
        "\"eof\"와 \"reset\"은 클라이언트가 끝낸 것이고, \"closed\"는 스크립트가 직접 끝낸 " ..
        "것입니다.",
    },
  },

  checks = {
    {
      en = "says goodbye so that it arrives",
      ko = "작별 인사가 반드시 도착합니다",
      judge = function(judge)
        local server = judge:serve()
        local peer = judge:connect(server)
        peer:send("bye\n" .. ("and another thing\n"):rep(5000)) -- which nobody reads any more
        local text, code = peer:read_all()
        if code == "reset" then judge:fail("taken_back") end
        judge:expect(text == "goodbye\n", "goodbye", judge:shown(text))
        judge:expect(code == "eof", "open")
      end,
    },
    {
      en = "throws out with RST",
      ko = "RST로 쫓아냅니다",
      judge = function(judge)
        local server = judge:serve()
        local peer = judge:connect(server)
        peer:send("open up\n")
        local _, code = peer:read_all()
        judge:expect(code ~= "eof", "polite")
        judge:expect(code == "reset", "kept")
      end,
    },
    {
      en = "knows how its clients left",
      ko = "클라이언트가 어떻게 떠났는지 압니다",
      judge = function(judge)
        local server = judge:serve()
        local asks, leaves = judge:connect(server), judge:connect(server)
        local breaks, bye = judge:connect(server), judge:connect(server)
        local thrown = judge:connect(server)
        tally(judge, leaves)
        leaves:shutdown()
        local _, code = leaves:read_all()
        judge:expect(code ~= "timeout", "half")
        tally(judge, breaks)
        breaks:reset()
        bye:send("bye\n")
        bye:read_all()
        bye:close()
        thrown:send("open up\n")
        thrown:read_all()
        thrown:close()
        for _, peer in ipairs { leaves, breaks, bye, thrown } do
          server:wait_event({ event = "close", conn = server:conn_of(peer) }, 2)
        end
        local line = tally(judge, asks)
        judge:expect(line == "fin 1, rst 1", "own", line)
      end,
    },
  },
}
