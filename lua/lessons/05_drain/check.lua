-- A client that reads late must get every byte in the end, and meanwhile the script may hold only
-- what fits into a queue of moderate size: the rest has to wait to be made.

local COUNT, PADDING = 3000, (" "):rep(800)
local QUEUE_BYTES_MAX = 1024 * 1024 -- a drained queue holds about a quarter of it
local SMALL_BUFFER = 128 * 1024 -- two segments on loopback: with less, TCP stutters

local function expected()
  local lines = {}
  for number = 1, COUNT do lines[number] = number .. PADDING .. "\n" end
  return table.concat(lines)
end

-- A client whose kernel takes little, so that it is soon full.
local function slow_client(judge, server)
  local peer = judge:connect(server)
  peer.conn:setoption("rcvbuf", SMALL_BUFFER)
  return peer
end

-- Reads to the end, and tells where it is not what it should be.
local function read_all(judge, server, peer, conn)
  local bytes, why = peer:read_all(12)
  if bytes == expected() then return end
  local _, whole = bytes:gsub("\n", "")
  local closed = server:wait_event({ event = "close", conn = conn }, 1)
  local reason = closed and closed.reason
  judge:expect(reason ~= "write_queue", "overflow", whole)
  judge:expect(why ~= "timeout", "stuck", whole)
  local number = 0
  for line in bytes:gmatch("[^\n]*\n") do
    number = number + 1
    judge:expect(line == number .. PADDING .. "\n", "order", number, judge:shown(line))
  end
  judge:fail("missing", number, COUNT)
end

return {
  events = "accept,flush,drain,eof,reset,timeout,close,error",
  hints = {
    overflow = {
      en = "The client got %d whole lines, then the connection was broken off: the queue of " ..
        "what was sent, and not yet taken by the kernel, passed limits.write_queue. send() only " ..
        "queues; wait for room with conn:drain() before you send more.",
      ko = "클라이언트가 %d줄을 받은 뒤 연결이 끊겼습니다. 보냈지만 커널이 아직 가져가지 않은 바이트의 큐가 " ..
        "limits.write_queue를 넘었습니다. send()는 큐에 넣기만 합니다. 더 보내기 전에 conn:drain()으로 자리가 " ..
        "날 때까지 기다리세요.",
    },
    memory_of_all = {
      en = "The client has not read anything yet, and %d KB of it are already queued in memory. " ..
        "A larger limit only lets every slow client cost more. Make the next lines when there " ..
        "is room for them: conn:drain() in the loop.",
      ko = "클라이언트가 아직 읽지도 않았는데 벌써 %d KB가 메모리 큐에 쌓였습니다. 한도를 키우면 느린 " ..
        "클라이언트마다 메모리를 더 쓸 뿐입니다. 자리가 날 때 다음 줄을 만드세요. 반복문 안에서 conn:drain()을 " ..
        "부르면 됩니다.",
    },
    stuck = {
      en = "After %d lines nothing more came, and the connection stayed open.",
      ko = "%d줄 다음에는 아무것도 오지 않았고, 연결은 열린 채로 남았습니다.",
    },
    order = {
      en = "Line %d is not what it should be: %s came.",
      ko = "%d번째 줄이 맞지 않습니다. 받은 것: %s",
    },
    missing = {
      en = "Only %d of %d lines came before the end. reset() throws away what is queued, and so " ..
        "does a handler that fails; close() sends it first.",
      ko = "전체 %2$d줄 가운데 %1$d줄만 왔습니다. reset()은 큐에 있는 것을 버립니다. 핸들러에서 오류가 나도 " ..
        "그렇습니다. close()는 큐에 있는 것을 먼저 보냅니다.",
    },
  },
  checks = {
    {
      en = "a client that reads at once gets all lines, then FIN",
      ko = "바로 읽는 클라이언트가 모든 줄을 받고, 이어서 FIN을 받습니다",
      judge = function(judge)
        local server = judge:serve()
        local peer = judge:connect(server)
        read_all(judge, server, peer, server:conn_of(peer))
      end,
    },
    {
      en = "little is queued for a client that reads late, and it gets all lines, too",
      ko = "늦게 읽는 클라이언트의 큐에는 조금만 쌓이고, 그 클라이언트도 모든 줄을 받습니다",
      judge = function(judge)
        local server = judge:serve()
        local peer = slow_client(judge, server)
        local queue
        -- Full is when the kernel takes no more: two looks in a row find the same.
        repeat
          local before = queue
          peer:idle(0.3)
          queue = server:queue_bytes(peer)
        until queue == nil or queue == before and queue > 0
        if queue and queue > QUEUE_BYTES_MAX then judge:fail("memory_of_all", queue // 1024) end
        read_all(judge, server, peer, server:conn_of(peer))
      end,
    },
  },
}
