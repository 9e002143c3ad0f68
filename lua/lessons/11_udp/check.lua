-- A sender whose datagrams get lost, cut, doubled and out of order.

local socket = require "moonport.socket"

local WAIT_S = 4

local Sender = {}
Sender.__index = Sender

-- A sender with a socket, and so an address, of its own.
local function new_sender(judge, server)
  local sock = socket.udp()
  assert(sock:connect(server.address))
  sock:settimeout(WAIT_S)
  return setmetatable({ judge = judge, sock = sock, parts = {} }, Sender)
end

function Sender:tell(en, ko, ...) self.judge:tell({ en = en, ko = ko }, ...) end

-- Sends a datagram of which the network passes on only the first `bytes`.
function Sender:send(data, bytes)
  self:tell("a datagram arrives: %s", "데이터그램이 도착합니다: %s",
    self.judge:shown(data:sub(1, bytes or -1)))
  self.sock:send(data:sub(1, bytes or -1))
end

function Sender:part(number, text, cut)
  local data = ("part %d %d %s"):format(number, #text, text)
  self:send(data, cut and #data - cut)
end

-- What the server answers within a time; nil: nothing.
function Sender:answer(seconds)
  self.sock:settimeout(seconds or WAIT_S)
  local data = self.sock:recv()
  if data then
    self:tell("your script answers: %s", "스크립트가 응답합니다: %s", self.judge:shown(data))
  else
    self:tell("your script answers nothing", "스크립트가 응답하지 않습니다")
  end
  return data
end

-- A part that arrives whole: it is acknowledged, or `key` says what is wrong.
function Sender:give(number, text, key)
  self:part(number, text)
  local answer = self:answer()
  self.judge:expect(answer, key or "no_got", number)
  self.judge:expect(answer == "got " .. number, "other_got", number, self.judge:shown(answer))
end

function Sender:expect_text(text, key)
  self:send("text")
  local answer = self:answer()
  self.judge:expect(answer, "no_text")
  self.judge:expect(answer == "text " .. text, key, self.judge:shown(answer),
    self.judge:shown("text " .. text))
end

return {
  listen = "udp://127.0.0.1:0",
  hints = {
    no_got = {
      en = "Part %d arrived whole, and was not answered with \"got\". The sender has to assume " ..
        "that it is lost, and will send it again and again.",
      ko = "%d번 조각이 온전히 도착했는데 \"got\"으로 응답하지 않았습니다. 보낸 쪽은 조각이 " ..
        "사라졌다고 보고 계속 다시 보내게 됩니다.",
    },
    other_got = {
      en = "Part %d arrived whole, and was answered with %s.",
      ko = "%d번 조각이 온전히 도착했는데 %s(으)로 응답했습니다.",
    },
    no_text = {
      en = "The sender asked for the text, and nothing came.",
      ko = "보낸 쪽이 text를 물었지만 아무것도 오지 않았습니다.",
    },
    order = {
      en = "The parts overtook each other on the way, and the text came out as %s in place of " ..
        "%s. UDP keeps no order: the number says where a part belongs, not the time of its " ..
        "arrival.",
      ko = "조각들이 오는 길에 서로 앞질렀고, 그 결과 %2$s이(가) 아니라 %1$s이(가) 되었습니다. " ..
        "UDP는 순서를 지키지 않습니다. 조각의 자리는 도착한 때가 아니라 번호가 알려 줍니다.",
    },
    silent_again = {
      en = "Part %d came a second time, and was not answered. The sender had a reason: the " ..
        "first \"got\" was lost. Without another one it will send this part for ever. A part " ..
        "that you already have is acknowledged again.",
      ko = "%d번 조각이 두 번째로 왔는데 응답하지 않았습니다. 괜히 다시 보낸 것이 아닙니다. 첫 " ..
        "번째 \"got\"이 사라졌으므로 이대로는 이 조각을 영원히 보내게 됩니다. 이미 받은 " ..
        "조각에도 다시 응답해야 합니다.",
    },
    doubled = {
      en = "A part came twice, because the first \"got\" was lost, and the text is %s in place " ..
        "of %s. The same number is the same part, however often it comes.",
      ko = "첫 번째 \"got\"이 사라져서 한 조각이 두 번 왔는데, %2$s이(가) 아니라 %1$s이(가) " ..
        "되었습니다. 번호가 같으면 몇 번을 오든 같은 조각입니다.",
    },
    cut = {
      en = "Part %d said that it has %d bytes, and only %d arrived. Your script answered %s, " ..
        "so the sender will never send the rest. A part without all of its bytes counts as " ..
        "lost: say nothing, and it comes again.",
      ko = "%d번 조각은 %d바이트라고 했는데 %d바이트만 도착했습니다. 스크립트가 %s(으)로 " ..
        "응답했으니 보낸 쪽은 나머지를 절대 다시 보내지 않습니다. 크기가 맞지 않으면 사라진 " ..
        "것과 같습니다. 아무 말도 하지 않으면 다시 옵니다.",
    },
    kept_cut = {
      en = "A part arrived cut and then whole, and the text is %s in place of %s.",
      ko = "한 조각이 잘려서 왔다가 온전히 다시 왔는데, %2$s이(가) 아니라 %1$s이(가) 되었습니다.",
    },
    mixed = {
      en = "Two senders sent at the same time, and one of them was given %s in place of %s. " ..
        "There is no connection that keeps them apart; what does is `peer`, the address that a " ..
        "datagram came from.",
      ko = "두 곳에서 동시에 보냈는데 한쪽이 %2$s이(가) 아니라 %1$s을(를) 받았습니다. 둘을 " ..
        "구분해 줄 연결이 없습니다. 데이터그램이 온 주소인 `peer`로 구분해야 합니다.",
    },
  },

  checks = {
    {
      en = "puts parts together in the order of their numbers",
      ko = "조각을 번호 순서대로 모읍니다",
      judge = function(judge)
        local sender = new_sender(judge, judge:serve())
        sender:give(2, "moon ")
        sender:give(1, "the ")
        sender:give(4, "rises\n")
        sender:give(3, "also ")
        sender:expect_text("the moon also rises\n", "order")
      end,
    },
    {
      en = "understands that a \"got\" can be lost",
      ko = "\"got\"도 사라질 수 있다는 것을 압니다",
      judge = function(judge)
        local sender = new_sender(judge, judge:serve())
        sender:give(1, "the ")
        sender:tell("this \"got\" is lost on its way back", "이 \"got\"은 돌아오는 길에 사라집니다")
        sender:give(2, "moon ")
        sender:give(1, "the ", "silent_again")
        sender:expect_text("the moon ", "doubled")
      end,
    },
    {
      en = "takes nothing that was cut",
      ko = "잘린 조각을 받지 않습니다",
      judge = function(judge)
        local sender = new_sender(judge, judge:serve())
        sender:give(1, "the ")
        sender:part(2, "moonlight", 5)
        local answer = sender:answer(0.3)
        if answer then judge:fail("cut", 2, 9, 4, judge:shown(answer)) end
        sender:give(2, "moonlight")
        sender:expect_text("the moonlight", "kept_cut")
      end,
    },
    {
      en = "keeps two senders apart",
      ko = "보내는 둘을 구분합니다",
      judge = function(judge)
        local server = judge:serve()
        local one, other = new_sender(judge, server), new_sender(judge, server)
        one:give(1, "sun")
        other:give(1, "moon")
        one:give(2, "rise")
        one:expect_text("sunrise", "mixed")
        other:expect_text("moon", "mixed")
      end,
    },
  },
}
