-- Requests for primes: cut, odd, and malformed.

local json = require "moonport.json"

local NUMBERS = { -- in an order in which the plain ones come first
  { "7", true }, { "8", false }, { "97", true }, { "91", false }, { "2", true },
  { "1", false, "small" }, { "0", false, "small" }, { "-7", false, "small" },
  { "7.5", false, "fraction" }, { "2147483647", true }, { "2147483649", false },
}

local MALFORMED = {
  "nonsense", "[7]", '"prime"', '{"ask":"prime"}', '{"number":7}', '{"ask":"square","number":7}',
  '{"ask":"prime","number":"7"}', '{"ask":"prime","number":true}',
}

local function ask(number) return ('{"ask":"prime","number":%s}'):format(number) end

-- Reads the answer to a request, and fails, with `key`, where it does not say `is_prime`.
local function expect_answer(judge, peer, number, is_prime, key)
  local line, code = peer:read_line()
  judge:expect(line, code == "eof" and "ended" or "silent", ask(number))
  local answer = json.decode(line)
  judge:expect(type(answer) == "table" and answer.ask == "prime" and
    type(answer.prime) == "boolean", "form", ask(number), judge:shown(line))
  judge:expect(answer.prime == is_prime, key or "number", number)
end

return {
  hints = {
    cut = {
      en = "A request came in two pieces, and was not understood. The answer was %s. Bytes " ..
        "arrive as the network cuts them; the newline says where a request ends.",
      ko = "요청 하나가 두 조각으로 나뉘어 왔는데 알아듣지 못했습니다. 받은 응답은 %s입니다. " ..
        "바이트는 네트워크가 자르는 대로 도착합니다. 요청의 끝은 줄바꿈이 알려 줍니다.",
    },
    ended = {
      en = "The connection ended where the answer to %s should have come. A connection may ask " ..
        "as often as it likes; only a malformed request ends it.",
      ko = "%s에 대한 응답이 와야 하는데 연결이 끝났습니다. 한 연결에서 몇 번이든 물을 수 " ..
        "있고, 잘못된 요청만 연결을 끝냅니다.",
    },
    silent = {
      en = "%s was not answered.",
      ko = "%s에 응답하지 않았습니다.",
    },
    form = {
      en = "%s should be answered with {\"ask\":\"prime\",\"prime\":true}, or false, in one " ..
        "line. The answer was %s.",
      ko = "%s에는 {\"ask\":\"prime\",\"prime\":true} 또는 false를 한 줄로 응답해야 합니다. " ..
        "받은 것은 %s입니다.",
    },
    number = {
      en = "Your script is wrong about %s.",
      ko = "스크립트가 %s에 대해 틀린 답을 합니다.",
    },
    small = {
      en = "Your script takes %s for a prime. Primes are whole numbers from 2 up.",
      ko = "스크립트가 %s을(를) 소수라고 합니다. 소수는 2 이상의 정수입니다.",
    },
    fraction = {
      en = "Your script takes %s for a prime. It is a proper request, for JSON has such " ..
        "numbers, and the answer is false: a number that is not whole is not prime, and must " ..
        "not be rounded either.",
      ko = "스크립트가 %s을(를) 소수라고 합니다. JSON에는 이런 수도 있으니 올바른 요청이고, " ..
        "답은 false입니다. 정수가 아니면 소수가 아니며, 정수로 바꾸어서도 안 됩니다.",
    },
    taken = {
      en = "%s is malformed, and was answered with %s. The answer should be an object with " ..
        "\"error\".",
      ko = "%s은(는) 잘못된 요청인데 %s(으)로 응답했습니다. \"error\"가 있는 객체로 응답해야 " ..
        "합니다.",
    },
    quotes = {
      en = "%s is malformed: a number in quotes is text, and Lua's tonumber() is too friendly " ..
        "here. The answer was %s.",
      ko = "%s은(는) 잘못된 요청입니다. 따옴표 안의 수는 문자열이고, 여기서는 Lua의 " ..
        "tonumber()가 너무 관대합니다. 받은 것은 %s입니다.",
    },
    no_word = {
      en = "%s is malformed, and should be answered with a line that has \"error\" in it. No " ..
        "line came. json.decode gives nil if the text is not JSON, and otherwise a value of " ..
        "any type: look at the type before you look inside.",
      ko = "%s은(는) 잘못된 요청이므로 \"error\"가 있는 한 줄로 응답해야 하는데 아무 줄도 오지 " ..
        "않았습니다. json.decode는 JSON이 아니면 nil을, JSON이면 무엇이든 돌려줍니다. 안을 " ..
        "보기 전에 타입부터 확인하세요.",
    },
    goes_on = {
      en = "%s is malformed, and the connection is still open. A client that sends this has " ..
        "lost track of where requests begin: say so once, then close.",
      ko = "%s은(는) 잘못된 요청인데 연결이 아직 열려 있습니다. 이런 것을 보내는 쪽은 요청의 " ..
        "경계를 놓친 것입니다. 한 번 알려 준 다음 연결을 닫으세요.",
    },
  },

  checks = {
    {
      en = "understands requests, however they are cut",
      ko = "어떻게 잘려 오든 요청을 알아듣습니다",
      judge = function(judge)
        local server = judge:serve()
        local peer = judge:connect(server)
        server:send_apart(peer, { '{"ask":"pri', 'me","number":7}\n' .. ask(8) .. "\n" .. ask(97),
          "\n" })
        local line = peer:read_line()
        local answer = line and json.decode(line)
        judge:expect(type(answer) == "table" and answer.prime == true, "cut",
          judge:shown(line or ""))
        expect_answer(judge, peer, "8", false)
        expect_answer(judge, peer, "97", true)
      end,
    },
    {
      en = "knows primes",
      ko = "소수를 압니다",
      judge = function(judge)
        local peer = judge:connect(judge:serve())
        for _, row in ipairs(NUMBERS) do
          peer:send(ask(row[1]) .. "\n")
          expect_answer(judge, peer, row[1], row[2], row[3])
        end
      end,
    },
    {
      en = "says what is malformed, and closes",
      ko = "잘못된 요청을 알려 주고 연결을 닫습니다",
      judge = function(judge)
        local server = judge:serve()
        for _, request in ipairs(MALFORMED) do
          local peer = judge:connect(server)
          peer:send(request .. "\n")
          local line = peer:read_line()
          judge:expect(line, "no_word", request)
          local answer = json.decode(line)
          judge:expect(type(answer) == "table" and answer.error ~= nil,
            request:find('"7"', 1, true) and "quotes" or "taken", request,
            judge:shown(line))
          local _, code = peer:read_all()
          judge:expect(code ~= "timeout", "goes_on", request)
          peer:close()
        end
      end,
    },
  },
}
