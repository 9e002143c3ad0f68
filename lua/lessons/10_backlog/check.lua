-- Silent clients in front of one that asks.

local kernel = require "moonport.lesson.kernel"
local socket = require "moonport.socket"

local SILENT = 6
local CONNECT_S = 4 -- whoever finds the queue full for a moment tries again after a second

-- How many connections the kernel has completed that nobody has accepted.
local function waiting(port)
  for _, found in ipairs(kernel.sockets()) do
    if found.state == "LISTEN" and found.address:match(":(%d+)$") == tostring(port) then
      return found.to_read
    end
  end
  return 0
end

return {
  program = true,
  hints = {
    full = {
      en = "Client %d could not even connect. %d connections wait in your backlog, accepted by " ..
        "nobody; it is full, so the kernel no longer answers. While your program waits for one " ..
        "client (recv, join, sleep), it does not accept the others: let a task wait for each " ..
        "client.",
      ko = "클라이언트 %d은(는) 연결조차 하지 못했습니다. 백로그에서 연결 %d개가 기다리는데 " ..
        "아무도 accept하지 않습니다. 백로그가 가득 차서 커널은 더 이상 답하지 않습니다. " ..
        "프로그램이 한 클라이언트를 기다리는 동안(recv, join, sleep) 다른 클라이언트를 " ..
        "accept하지 못합니다. 클라이언트마다 기다리는 일을 태스크에 맡기세요.",
    },
    waiting = {
      en = "The client is connected, because the kernel does that by itself, but %d " ..
        "connections wait in the backlog and nobody accepts them. A longer backlog lets more " ..
        "of them wait; it serves nobody. Let a task wait for each client, and accept at once.",
      ko = "커널이 연결을 맺었으므로 클라이언트는 연결되어 있지만, 백로그에서 연결 %d개가 " ..
        "기다리는데 아무도 accept하지 않습니다. 백로그를 늘리면 더 많이 기다릴 수 있을 뿐, " ..
        "아무도 서비스를 받지 못합니다. 클라이언트마다 기다리는 일을 태스크에 맡기고 곧바로 " ..
        "accept하세요.",
    },
    silent = {
      en = "A client asked, and got no answer within five seconds.",
      ko = "클라이언트가 물었지만 5초 안에 응답을 받지 못했습니다.",
    },
    other = {
      en = "The client sent \"hello\" and should receive \"HELLO\". It received %s.",
      ko = "클라이언트가 \"hello\"를 보냈으므로 \"HELLO\"를 받아야 합니다. 받은 것은 %s입니다.",
    },
    hung_up = {
      en = "Your program hung up on a client that had been silent for a while. That makes room " ..
        "for the next one, but throws out people who are thinking. Nobody has to leave for " ..
        "another to be served: let a task wait for each client.",
      ko = "잠시 조용했던 클라이언트의 연결을 끊었습니다. 다음 클라이언트에게 자리는 나지만 " ..
        "생각 중인 사람을 내쫓는 셈입니다. 누군가를 서비스하려고 다른 누군가를 내보낼 필요는 " ..
        "없습니다. 클라이언트마다 기다리는 일을 태스크에 맡기세요.",
    },
    broken = {
      en = "One client broke its connection off (RST), and the next one is no longer served.",
      ko = "한 클라이언트가 연결을 강제로 끊자(RST) 다음 클라이언트가 더는 서비스를 받지 못합니다.",
    },
  },

  checks = {
    {
      en = "serves who asks, whoever is silent",
      ko = "누가 조용하든 묻는 클라이언트에게 응답합니다",
      judge = function(judge)
        local port = judge.free_port()
        local first = judge:connect_when_listening(judge:run(port), port)
        local silent <close> = setmetatable({}, { __close = function(list)
          for _, conn in ipairs(list) do conn:reset() end
        end })
        for number = 2, SILENT + 1 do
          local conn = socket.connect("127.0.0.1:" .. port, { timeout = CONNECT_S })
          if not conn then judge:fail("full", number, waiting(port)) end
          silent[#silent + 1] = conn
        end
        judge:tell({ en = "%d more clients connect, and say nothing",
          ko = "클라이언트 %d개가 더 연결하고 아무 말도 하지 않습니다" }, SILENT)
        local peer = judge:connect("127.0.0.1:" .. port)
        peer:send("hello\n")
        local line = peer:read_line()
        local waits = waiting(port)
        judge:expect(line or waits == 0, "waiting", waits)
        judge:expect(line, "silent")
        judge:expect(line == "HELLO", "other", judge:shown(line))
        first:send("hello\n")
        judge:expect(first:read_line() == "HELLO", "hung_up")
      end,
    },
    {
      en = "goes on when a client breaks off",
      ko = "클라이언트가 연결을 강제로 끊어도 계속합니다",
      judge = function(judge)
        local port = judge.free_port()
        local first = judge:connect_when_listening(judge:run(port), port)
        first:send("hello\n")
        first:read_line()
        first:reset()
        local second = judge:connect("127.0.0.1:" .. port)
        second:send("hello\n")
        judge:expect(second:read_line() == "HELLO", "broken")
      end,
    },
  },
}
