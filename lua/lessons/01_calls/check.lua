-- One client, who speaks first. It waits for the answer and for FIN; then the program ends.

local GREETING = "Hello, server!"

-- The program, and a client that has sent its greeting.
local function greeted(judge)
  local port = judge.free_port()
  local program = judge:run(port)
  local client = judge:connect_when_listening(program, port, "listen")
  client:send(GREETING)
  return program, client
end

return {
  program = true,
  hints = {
    listen = {
      en = "Nobody could connect. bind() only gives the socket its address; it takes " ..
        "connections from listen() on, and accept() hands you the first one.",
      ko = "아무도 연결할 수 없었습니다. bind()는 소켓에 주소를 줄 뿐입니다. listen()을 불러야 연결을 받기 " ..
        "시작하고, accept()가 첫 연결을 건네줍니다.",
    },
    silent = {
      en = "The client sent %s and waits for an answer, but none came. recv() gives you its " ..
        "bytes; they go back with send(), on the client's connection.",
      ko = "클라이언트가 %s을(를) 보내고 답을 기다렸지만 오지 않았습니다. recv()로 받은 바이트를 클라이언트의 " ..
        "연결에 send()로 돌려보내세요.",
    },
    echo = {
      en = "The client sent %s, but %s came back: send what you received.",
      ko = "클라이언트가 %s을(를) 보냈는데 %s이(가) 돌아왔습니다. 받은 그대로 보내세요.",
    },
    close = {
      en = "The client has its answer, and still waits: it cannot know that nothing more will " ..
        "come before you close() its connection, which sends FIN.",
      ko = "클라이언트는 답을 받고도 계속 기다립니다. 연결을 close()해야 FIN이 가고, 그래야 더 올 것이 없다는 " ..
        "사실을 알 수 있습니다.",
    },
    going_on = {
      en = "The client has gone, but your program goes on. It serves one client, closes both " ..
        "sockets, and ends.",
      ko = "클라이언트가 떠났는데 프로그램이 끝나지 않습니다. 클라이언트 하나를 받고, 소켓 두 개를 모두 닫고, " ..
        "끝나야 합니다.",
    },
    printed = {
      en = "Your program should print what it received, %s, but it printed: %s",
      ko = "프로그램은 받은 내용 %s을(를) 출력해야 하는데, 출력한 것은 이렇습니다: %s",
    },
  },
  checks = {
    {
      en = "a client can connect, and its bytes come back to it",
      ko = "클라이언트가 연결하고, 보낸 바이트를 돌려받습니다",
      judge = function(judge)
        local _, client = greeted(judge)
        local got = client:read(#GREETING, 3)
        judge:expect(got ~= "", "silent", judge:shown(GREETING))
        judge:expect(got == GREETING, "echo", judge:shown(GREETING), judge:shown(got))
      end,
    },
    {
      en = "then the client receives FIN, and nothing else",
      ko = "그다음 클라이언트는 FIN만 받습니다",
      judge = function(judge)
        local _, client = greeted(judge)
        local got, why = client:read_all(3)
        judge:expect(got ~= "", "silent", judge:shown(GREETING))
        judge:expect(got == GREETING, "echo", judge:shown(GREETING), judge:shown(got))
        judge:expect(why == "eof", "close")
      end,
    },
    {
      en = "the program prints what it received, and ends",
      ko = "프로그램은 받은 내용을 출력하고 끝납니다",
      judge = function(judge)
        local program, client = greeted(judge)
        client:read_all(3)
        client:close()
        judge:expect(program:wait(3), "going_on")
        judge:expect(program:output():find(GREETING, 1, true), "printed", judge:shown(GREETING),
          judge:shown(program:output()))
      end,
    },
  },
}
