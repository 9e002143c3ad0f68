-- Sessions over a network that loses, doubles, cuts and reorders.

local socket = require "moonport.socket"
local task = require "moonport.task"
local timer = require "moonport.timer"

local DATAGRAM_BYTES_MAX = 1000
local WAIT_S = 4
local GONE_S = 4 -- twice as long as a script is to wait

local function escape(text) return (text:gsub("[\\|]", "\\%0")) end

-- The fields of a datagram; nil where it is none of this protocol.
local function fields_of(data)
  local fields = {}
  local plain = data:gsub("\\([\\|])", { ["|"] = "\1", ["\\"] = "\2" })
  for field in plain:gmatch("([^|]*)|") do
    fields[#fields + 1] = field:gsub("[\1\2]", { ["\1"] = "|", ["\2"] = "\\" })
  end
  return plain:sub(-1) == "|" and fields or nil
end

local Caller = {}
Caller.__index = Caller

-- One end of a session. `network(data)` gives the datagrams that arrive of one, either way.
local function new_caller(judge, server, number, network)
  local sock = socket.udp()
  assert(sock:connect(server.address))
  return setmetatable({ judge = judge, sock = sock, number = number, acknowledges = true,
    network = network or function(data) return { data } end, is_told = not network,
    text = "", got = nil, shut = false, texts = 0 }, Caller)
end

function Caller:send(data)
  if self.is_told then
    self.judge:tell({ en = "your script is sent %s", ko = "스크립트에 보냅니다: %s" },
      self.judge:shown(data))
  end
  for _, arrives in ipairs(self.network(data)) do self.sock:send(arrives) end
end

function Caller:say(kind, ...)
  self:send(table.concat({ kind, self.number, ... }, "|") .. "|")
end

local kinds = {}

function kinds.got(self, size)
  self.got = math.max(self.got or 0, math.tointeger(tonumber(size)) or 0)
end

function kinds.text(self, position, text)
  position, self.texts = math.tointeger(tonumber(position)), self.texts + 1
  if position and text and position <= #self.text then
    self.text = self.text .. text:sub(#self.text - position + 1)
  end
  if self.acknowledges then self:say("got", #self.text) end
end

function kinds.shut(self) self.shut = true end

local function take(self, data)
  local fields = fields_of(data)
  if not fields then return end -- cut on the way
  local kind = fields[2] == self.number and kinds[fields[1]]
  if kind then kind(self, fields[3], fields[4]) end
end

-- Takes what comes until `look()` gives something, or the time is over.
function Caller:wait(look, seconds)
  local ends = timer.now() + seconds
  while not look() do
    local left = ends - timer.now()
    if left <= 0 then return nil end
    self.sock:settimeout(left)
    local data = self.sock:recv()
    if data and self.is_told then
      self.judge:tell({ en = "it answers %s", ko = "스크립트가 응답합니다: %s" },
        self.judge:shown(data))
    end
    if data then
      self.judge:expect(#data <= DATAGRAM_BYTES_MAX, "large", #data, DATAGRAM_BYTES_MAX)
      self.judge:expect(fields_of(data), "form", self.judge:shown(data))
      for _, arrives in ipairs(self.network(data)) do take(self, arrives) end
    end
  end
  return true
end

function Caller:open()
  self:say("open")
  self.judge:expect(self:wait(function() return self.got == 0 end, WAIT_S), "no_open", self.number)
end

-- Sends text, and expects it to be acknowledged up to `size` bytes.
function Caller:give(position, text, size, key)
  self.got = nil
  self:say("text", position, escape(text))
  self:wait(function() return self.got end, WAIT_S)
  self.judge:expect(self.got, "no_got", position)
  self.judge:expect(self.got == size, key, self.got, size)
end

-- Whether the script says that there is no such session (any more).
function Caller:is_shut()
  self.shut = false
  return self:wait(function() return self.shut end, WAIT_S)
end

function Caller:expect_text(text, key)
  self:wait(function() return #self.text >= #text end, WAIT_S)
  self.judge:expect(self.text == text, key, self.judge:shown(self.text), self.judge:shown(text))
end

-- A bad line: the same one for the same seed. What it holds back arrives behind the next one.
local function bad_network(seed)
  local held
  local function chance(percent)
    seed = (seed * 1103515245 + 12345) % 2147483648
    return (seed >> 16) % 100 < percent
  end
  return function(data)
    local arrives = { held }
    held = nil
    if chance(20) then return arrives end -- lost
    if chance(10) then data = data:sub(1, #data // 2) end
    if chance(20) then
      held = data
      return arrives
    end
    table.insert(arrives, 1, data)
    if chance(10) then table.insert(arrives, data) end
    return arrives
  end
end

-- Says all of `text` in pieces, again and again until it is acknowledged, and waits for `answer`.
-- Gives up where nothing has moved for a while.
local function converse(caller, text, answer)
  local moved, gives_up = nil, 0
  local function is_done() return caller.got == #text and #caller.text >= #answer end
  while not is_done() do
    local now = (caller.got or -1) + #caller.text
    if now ~= moved then moved, gives_up = now, timer.now() + WAIT_S end
    if timer.now() > gives_up then return end
    if not caller.got then caller:say("open") end
    for from = caller.got or 0, #text - 1, 70 do
      caller:say("text", from, escape(text:sub(from + 1, from + 70)))
    end
    caller:wait(is_done, 0.1)
  end
end

return {
  listen = "udp://127.0.0.1:0",
  hints = {
    large = {
      en = "A datagram of %d bytes came. At most %d are allowed, escapes included, so that no " ..
        "network has to cut it: send long texts in several datagrams.",
      ko = "%d바이트짜리 데이터그램이 왔습니다. 어떤 네트워크도 자르지 않도록 이스케이프를 " ..
        "포함해 최대 %d바이트만 됩니다. 긴 텍스트는 여러 번에 나누어 보내세요.",
    },
    form = {
      en = "Your script sent %s, which is not a message: every field has a | after it, and in " ..
        "a text \\ and | have a \\ before them.",
      ko = "스크립트가 보낸 %s은(는) 메시지가 아닙니다. 모든 필드 뒤에는 |가 있고, 텍스트 안의 " ..
        "\\와 | 앞에는 \\가 있어야 합니다.",
    },
    no_open = {
      en = "A session was opened with open|%1$s|, and no got|%1$s|0| came.",
      ko = "open|%1$s|으로 세션을 열었지만 got|%1$s|0|이 오지 않았습니다.",
    },
    no_got = {
      en = "Text from byte %s on was sent, and no \"got\" came. Every text is answered with " ..
        "how much you have, even if you have it already, or if it begins too late.",
      ko = "%s번째 바이트부터의 텍스트를 보냈지만 \"got\"이 오지 않았습니다. 이미 받은 것이든 " ..
        "너무 뒤에서 시작하는 것이든, 모든 텍스트에 지금까지 받은 길이로 응답해야 합니다.",
    },
    got = {
      en = "Your script says that it has %d bytes; it was sent %d.",
      ko = "스크립트는 %d바이트를 받았다고 하는데, 보낸 것은 %d바이트입니다.",
    },
    escaped = {
      en = "Your script says that it has %d bytes of a text of %d. Positions and lengths count " ..
        "the text itself: a \\ that only marks what follows is not part of it.",
      ko = "스크립트는 %d바이트를 받았다고 하는데 텍스트는 %d바이트입니다. 위치와 길이는 " ..
        "텍스트 자체로 셉니다. 뒤의 글자를 표시할 뿐인 \\는 세지 않습니다.",
    },
    gap = {
      en = "Bytes are missing in between, and your script says that it has %d in place of %d. " ..
        "\"got\" is how much is there without a gap.",
      ko = "중간의 바이트가 빠졌는데 스크립트는 %2$d바이트가 아니라 %1$d바이트를 받았다고 " ..
        "합니다. \"got\"은 빈 곳 없이 받은 길이입니다.",
    },
    again = {
      en = "The same text came again, and your script says that it has %d bytes in place of " ..
        "%d. The position says which bytes these are: do not add once more what you already " ..
        "have.",
      ko = "같은 텍스트가 다시 왔는데 스크립트는 %2$d바이트가 아니라 %1$d바이트를 받았다고 " ..
        "합니다. 위치가 어느 바이트인지 알려 줍니다. 이미 받은 바이트를 다시 더하지 마세요.",
    },
    cut = {
      en = "A datagram was cut on its way: it does not end with |. Your script took it, and " ..
        "has %d bytes in place of %d.",
      ko = "데이터그램이 오는 길에 잘려서 |로 끝나지 않습니다. 스크립트가 그것을 받아들여 " ..
        "%2$d바이트가 아니라 %1$d바이트를 받았다고 합니다.",
    },
    piece = {
      en = "The line is not complete, and your script has already answered %s. A datagram is " ..
        "not a line: lines continue in the next datagram, and end with \\n.",
      ko = "줄이 끝나지 않았는데 스크립트가 벌써 %s(으)로 응답했습니다. 데이터그램은 줄이 " ..
        "아닙니다. 줄은 다음 데이터그램으로 이어지고 \\n에서 끝납니다.",
    },
    answer = {
      en = "The answer was %s and should be %s.",
      ko = "응답이 %s입니다. %s이어야 합니다.",
    },
    no_resend = {
      en = "Your script's text got lost, and was not sent again. The other side cannot ask for " ..
        "what it does not know about: send again what was not acknowledged, every 0.2 seconds.",
      ko = "스크립트가 보낸 텍스트가 사라졌는데 다시 보내지 않았습니다. 상대는 모르는 것을 " ..
        "달라고 할 수 없습니다. 확인받지 못한 텍스트를 0.2초마다 다시 보내세요.",
    },
    goes_on = {
      en = "Your script's text was acknowledged, and your script sent it again all the same.",
      ko = "스크립트가 보낸 텍스트를 확인해 주었는데도 다시 보냈습니다.",
    },
    no_shut = {
      en = "%s was sent, and no \"shut\" came. It answers the end of a session, and everything " ..
        "about a session that does not exist.",
      ko = "%s을(를) 보냈지만 \"shut\"이 오지 않았습니다. 세션을 끝낼 때, 그리고 없는 세션에 " ..
        "관한 것이 올 때는 \"shut\"으로 응답합니다.",
    },
    bad_line = {
      en = "Over a bad line (one of five datagrams is lost, some are cut, doubled or late) " ..
        "session %s came to a halt for %g seconds, with %d of the %d bytes of its answer.",
      ko = "나쁜 회선에서(다섯 중 하나는 사라지고, 일부는 잘리거나 두 번 오거나 늦습니다) 세션 " ..
        "%1$s이(가) %2$g초 동안 멈추었습니다. 응답 %4$d바이트 가운데 %3$d바이트만 왔습니다.",
    },
    kept = {
      en = "For four seconds the client acknowledged nothing of what your script sent, and the " ..
        "session still exists. The client may be gone, and nobody will ever tell you: forget a " ..
        "session after 2 seconds of that.",
      ko = "클라이언트가 4초 동안 스크립트가 보낸 것을 하나도 확인하지 않았는데 세션이 그대로 " ..
        "있습니다. 클라이언트가 사라졌을 수도 있고, 그 사실은 아무도 알려 주지 않습니다. 이런 " ..
        "상태가 2초 이어지면 세션을 잊으세요.",
    },
    forgot = {
      en = "A client said nothing for four seconds, and had acknowledged everything. Your " ..
        "script has forgotten its session.",
      ko = "클라이언트가 모두 확인한 다음 4초 동안 조용했을 뿐인데 스크립트가 세션을 잊었습니다.",
    },
  },

  checks = {
    {
      en = "puts lines together, and sends them back reversed",
      ko = "줄을 이어 붙이고 뒤집어서 보냅니다",
      judge = function(judge)
        local caller = new_caller(judge, judge:serve(), "7")
        caller:open()
        caller:give(0, "hel", 3, "got")
        caller:wait(function() return caller.text ~= "" end, 0.1)
        judge:expect(caller.text == "", "piece", judge:shown(caller.text))
        caller:give(3, "lo\nmoon\n", 11, "got")
        caller:expect_text("olleh\nnoom\n", "answer")
        caller:say("shut")
        judge:expect(caller:is_shut(), "no_shut", "shut|7|")
        caller:say("text", 11, "x")
        judge:expect(caller:is_shut(), "no_shut", "text|7|11|x|")
      end,
    },
    {
      en = "escapes, and counts what is meant",
      ko = "이스케이프하고, 뜻하는 길이로 셉니다",
      judge = function(judge)
        local caller = new_caller(judge, judge:serve(), "8")
        caller:open()
        caller:give(0, "a|b\\c\n", 6, "escaped")
        caller:give(6, "|\n", 8, "escaped")
        caller:expect_text("c\\b|a\n|\n", "answer")
        local long = ("|"):rep(300)
        caller:give(8, long, 308, "escaped")
        caller:give(308, long .. "\n", 609, "escaped")
        caller:expect_text("c\\b|a\n|\n" .. long .. long .. "\n", "answer")
      end,
    },
    {
      en = "takes each byte once, and in its place",
      ko = "모든 바이트를 제자리에 한 번만 받습니다",
      judge = function(judge)
        local caller = new_caller(judge, judge:serve(), "9")
        caller:open()
        caller:give(3, "lo\n", 0, "gap")
        caller:send("text|9|0|he")
        caller:give(0, "hel", 3, "cut")
        caller:give(0, "hel", 3, "again")
        caller:give(1, "ello\n", 6, "again")
        caller:expect_text("olleh\n", "answer")
      end,
    },
    {
      en = "sends again what got lost, until it is acknowledged",
      ko = "사라진 것을 확인받을 때까지 다시 보냅니다",
      judge = function(judge)
        local caller = new_caller(judge, judge:serve(), "10")
        caller:open()
        caller.acknowledges = false
        caller:give(0, "moon\n", 5, "got")
        caller:expect_text("noom\n", "answer")
        judge:tell { en = "the answer is lost, and not acknowledged",
          ko = "응답이 사라져 확인하지 않습니다" }
        local before = caller.texts
        judge:expect(caller:wait(function() return caller.texts > before end, WAIT_S), "no_resend")
        caller:say("got", 5)
        caller:give(5, "x", 6, "got") -- what was under way came before this answer
        before = caller.texts
        judge:expect(not caller:wait(function() return caller.texts > before end, 0.5), "goes_on")
      end,
    },
    {
      en = "forgets who is gone, and nobody else",
      ko = "사라진 클라이언트만 잊습니다",
      judge = function(judge)
        local server = judge:serve()
        local gone, silent = new_caller(judge, server, "11"), new_caller(judge, server, "12")
        gone.acknowledges = false
        for _, caller in ipairs { gone, silent } do
          caller:open()
          caller:give(0, "moon\n", 5, "got")
          caller:expect_text("noom\n", "answer")
        end
        gone:wait(function() return false end, GONE_S)
        gone:say("text", 5, "x")
        judge:expect(gone:is_shut(), "kept")
        silent:give(5, "tide\n", 10, "forgot")
      end,
    },
    {
      en = "holds out over a bad line, with two sessions at once",
      ko = "나쁜 회선에서 세션 두 개를 동시에 견딥니다",
      judge = function(judge)
        local server = judge:serve()
        local tasks = {}
        for seed, word in ipairs { "moon|", "tide\\" } do
          local caller = new_caller(judge, server, tostring(100 + seed), bad_network(seed))
          local text, answer = {}, {}
          for line = 1, 12 do
            text[line] = (word .. line):rep(line) .. "\n"
            answer[line] = (word .. line):rep(line):reverse() .. "\n"
          end
          caller.expected = table.concat(answer)
          tasks[seed] = task.spawn(function()
            return caller, pcall(converse, caller, table.concat(text), caller.expected)
          end)
        end
        for _, running in ipairs(tasks) do
          local _, caller, ok, failure = running:join()
          if not ok then error(failure, 0) end
          local so_far = caller.expected:sub(1, #caller.text)
          judge:expect(caller.text == so_far, "answer", judge:shown(caller.text),
            judge:shown(so_far))
          judge:expect(caller.text == caller.expected, "bad_line", caller.number, WAIT_S,
            #caller.text, #caller.expected)
        end
      end,
    },
  },
}
