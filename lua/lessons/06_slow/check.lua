-- One client reads, another one does not for a while. The first must notice nothing of it. For the
-- second little may be queued; it stays, and then goes on with newer numbers, whole lines only.

local timer = require "moonport.timer"

local PADDING_BYTES = 16000
local QUEUE_BYTES_MAX = 256 * 1024
local SMALL_BUFFER = 128 * 1024 -- two segments on loopback: with less, TCP stutters
local TICKS = 70 -- 1.1 MB: more than the kernel's buffers and the limit of the queue
local LATE_S = 0.15 -- a line comes each 0.05 s: the judge itself, or its machine, was held up

-- The number of a line; nil where it is none.
local function number_of(line)
  local number, padding = (line or ""):match("^(%d+)( +)$")
  return number and #padding == PADDING_BYTES and math.tointeger(tonumber(number)) or nil
end

-- Reads the numbers of so many lines. Who reads them late may have missed some.
local function read_numbers(judge, peer, count)
  local numbers, was_late = {}, false
  for index = 1, count do
    local began = timer.now()
    local line, code = peer:read_line(3)
    judge:expect(line or code == "timeout", "kicked")
    judge:expect(line, "silent")
    numbers[index] = number_of(line)
    judge:expect(numbers[index], "torn", judge:shown(line))
    was_late = was_late or timer.now() - began > LATE_S
  end
  return numbers, was_late
end

return {
  events = "accept,eof,reset,timeout,close,error",
  hints = {
    silent = {
      en = "A client that reads got nothing for 3 seconds. Does your script wait for the slow " ..
        "one before it serves the others? Waiting for one, in a loop over all, is waiting for all.",
      ko = "잘 읽는 클라이언트가 3초 동안 아무것도 받지 못했습니다. 느린 클라이언트를 기다리느라 나머지를 " ..
        "세워 두고 있지 않나요? 모두를 도는 반복문 안에서 하나를 기다리면 모두가 기다립니다.",
    },
    gap = {
      en = "A client that reads missed something: after %d came %d. Only who is behind may miss " ..
        "lines.",
      ko = "잘 읽는 클라이언트가 줄을 놓쳤습니다. %d 다음에 %d이(가) 왔습니다. 뒤처진 클라이언트만 줄을 " ..
        "놓칠 수 있습니다.",
    },
    cut_off = {
      en = "The slow reader was cut off (%s). What you send to it queues up until " ..
        "limits.write_queue is passed. Look at conn:stats().queue, and leave out who is behind.",
      ko = "느린 클라이언트의 연결이 끊겼습니다(%s). 보낸 것이 큐에 쌓이다가 limits.write_queue를 넘었기 " ..
        "때문입니다. conn:stats().queue를 보고, 뒤처진 클라이언트는 건너뛰세요.",
    },
    kicked = {
      en = "Your script closed a client that was behind. It should stay, and go on later.",
      ko = "스크립트가 뒤처진 클라이언트를 끊었습니다. 그대로 두고 나중에 이어서 보내야 합니다.",
    },
    memory_of_one = {
      en = "%d KB are queued for a single client that does not read. A larger limit helps it to " ..
        "more of your memory, and to old numbers. Do not send to who is behind.",
      ko = "읽지 않는 클라이언트 하나를 위해 %d KB가 쌓였습니다. 한도를 키우면 메모리를 더 내주고 낡은 숫자를 " ..
        "보낼 뿐입니다. 뒤처진 클라이언트에는 보내지 마세요.",
    },
    torn = {
      en = "A line is not whole: %s. Leave out a line as a whole or send it as a whole; the " ..
        "reader counts on its end.",
      ko = "온전하지 않은 줄이 왔습니다: %s. 줄은 통째로 보내거나 통째로 건너뛰세요. 읽는 쪽은 줄 끝을 믿고 " ..
        "있습니다.",
    },
    stale = {
      en = "The slow reader reads again, but gets nothing new: the last number was %d. Who has " ..
        "caught up gets lines again.",
      ko = "느린 클라이언트가 다시 읽는데 새 숫자가 오지 않습니다. 마지막 숫자는 %d였습니다. 따라잡은 " ..
        "클라이언트에는 다시 보내야 합니다.",
    },
    backwards = {
      en = "After %d came %d: old numbers, or the same ones again.",
      ko = "%d 다음에 %d이(가) 왔습니다. 낡은 숫자이거나 같은 숫자입니다.",
    },
  },
  checks = {
    {
      en = "who reads gets every number, while another one does not read",
      ko = "다른 클라이언트가 읽지 않아도, 읽는 쪽은 모든 숫자를 받습니다",
      judge = function(judge)
        local server = judge:serve()
        local slow, fast = judge:connect(server), judge:connect(server)
        slow.conn:setoption("rcvbuf", SMALL_BUFFER)
        local numbers, was_late = read_numbers(judge, fast, 60)
        for index = 2, was_late and 1 or #numbers do
          local before, number = numbers[index - 1], numbers[index]
          judge:expect(number == before + 1, "gap", before, number)
        end
      end,
    },
    {
      en = "who does not read stays, with little in its queue, and goes on later",
      ko = "읽지 않던 클라이언트도 남아 있고, 큐는 짧으며, 나중에 이어서 받습니다",
      judge = function(judge)
        local server = judge:serve()
        local slow, fast = judge:connect(server), judge:connect(server)
        slow.conn:setoption("rcvbuf", SMALL_BUFFER)
        read_numbers(judge, fast, TICKS)
        local closed = server:find({ event = "close", conn = server:conn_of(slow) })[1]
        if closed and closed.reason == "closed" then judge:fail("kicked") end
        if closed then judge:fail("cut_off", closed.reason) end
        local queue = server:queue_bytes(slow)
        judge:expect(queue, "busy")
        judge:expect(queue <= QUEUE_BYTES_MAX, "memory_of_one", queue // 1024)
        -- What was queued comes first, and then there must be a gap, and newer numbers.
        local last, had_gap
        for _ = 1, 40 do
          local line, code = slow:read_line(3)
          judge:expect(line or code == "timeout", "kicked")
          judge:expect(line, "stale", last or 0)
          local number = number_of(line)
          judge:expect(number, "torn", judge:shown(line))
          judge:expect(not last or number > last, "backwards", last, number)
          had_gap = had_gap or last and number > last + 1
          last = number
        end
        judge:expect(had_gap, "memory_of_one", queue // 1024)
      end,
    },
  },
}
