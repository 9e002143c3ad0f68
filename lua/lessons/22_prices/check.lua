-- Prices in, means out, nine bytes at a time or not.

-- What comes in place of the mean of 1 and 2 from a script that takes the lowest byte first.
local SWAPPED = 0x8001

local function put(time, price) return string.pack(">c1 i4 i4", "P", time, price) end
local function mean(from, to) return string.pack(">c1 i4 i4", "M", from, to) end

-- A mean as it is received; what is wrong with it is told by `key`, with both numbers.
local function expect_mean(judge, peer, expected, key)
  local bytes, code = peer:read(4)
  judge:expect(#bytes == 4, code == "eof" and "ended" or "silent", #bytes)
  local received = string.unpack(">i4", bytes)
  local is_swapped = received == SWAPPED or bytes == string.pack("<i4", expected) and expected ~= 0
  judge:expect(not is_swapped, "swapped", expected)
  judge:expect(received == expected, key, received, expected)
end

return {
  events = "accept,data,error",
  hints = {
    silent = {
      en = "A mean was asked for, and %d bytes came in place of 4. Does your script expect one " ..
        "message at a time? Nine bytes are a message, however they arrive: frame = { fixed = 9 " ..
        "}.",
      ko = "평균을 물었는데 4바이트가 아니라 %d바이트가 왔습니다. 메시지가 스크립트가 기대한 " ..
        "대로만 잘려 올까요? 어떻게 도착하든 9바이트가 한 메시지입니다. frame = { fixed = 9 " ..
        "}를 써 보세요.",
    },
    ended = {
      en = "A mean was asked for, and the connection ended after %d bytes in place of 4. " ..
        "Perhaps your script took a piece of a message for a whole one; its log says more. " ..
        "frame = { fixed = 9 } gives you whole ones.",
      ko = "평균을 물었는데 4바이트가 아니라 %d바이트 뒤에 연결이 끝났습니다. 이유는 " ..
        "스크립트의 로그에 있을 수 있습니다. 예를 들어 온전한 메시지가 아닌 조각을 받았을지도 " ..
        "모릅니다.",
    },
    swapped = {
      en = "The mean %d came with its bytes the other way round. On the network the highest " ..
        "byte comes first, whatever the processor does: string.pack(\">i4\", …).",
      ko = "평균 %d의 바이트가 거꾸로 왔습니다. 프로세서가 어떻든 네트워크에서는 가장 높은 " ..
        "바이트가 먼저 갑니다. string.pack(\">i4\", …)입니다.",
    },
    cut = {
      en = "Messages came in pieces, and the mean is %d in place of %d.",
      ko = "메시지가 중간에서 잘려 왔는데 평균이 %2$d이(가) 아니라 %1$d입니다.",
    },
    mean = {
      en = "The mean is %d and should be %d.",
      ko = "평균이 %d입니다. %d이어야 합니다.",
    },
    signed = {
      en = "Some prices are below zero (a fee, a refund), and the mean is %d in place of %d. " ..
        "An i4 has a sign, an I4 has none.",
      ko = "0보다 작은 가격도 있습니다(수수료나 환불). 평균이 %2$d이(가) 아니라 %1$d입니다. " ..
        "i4에는 부호가 있고 I4에는 없습니다.",
    },
    down = {
      en = "A mean that is not whole is rounded down. It is %d in place of %d. Lua's // does that.",
      ko = "나누어떨어지지 않는 평균은 내림합니다. %2$d이(가) 아니라 %1$d입니다. Lua의 //가 " ..
        "그렇게 계산합니다.",
    },
    replaced = {
      en = "A price was sent for a time that had one already, and the mean is %d in place of " ..
        "%d. The later one is a correction, and takes the place of the first.",
      ko = "이미 가격이 있는 시각의 가격을 다시 보냈는데 평균이 %2$d이(가) 아니라 %1$d입니다. " ..
        "나중 것은 정정이므로 먼저 것을 대신합니다.",
    },
    none = {
      en = "There is no price in that span, and the mean is %d in place of %d.",
      ko = "그 기간에는 가격이 없는데 평균이 %2$d이(가) 아니라 %1$d입니다.",
    },
    shared = {
      en = "Another client sent prices, too, and the mean of this one is %d in place of %d. " ..
        "What a client sends is its own: it belongs in a field of conn, not in a local of the " ..
        "script.",
      ko = "다른 클라이언트도 가격을 보냈는데 이 클라이언트의 평균이 %2$d이(가) 아니라 " ..
        "%1$d입니다. 클라이언트가 보낸 것은 그 클라이언트의 것입니다. 스크립트의 지역 변수가 " ..
        "아니라 conn의 필드에 두세요.",
    },
    goes_on = {
      en = "A message began with \"X\", which does not exist, and the connection is still " ..
        "open. A client that sends this has lost track, and everything after it would be " ..
        "misread: close.",
      ko = "메시지가 \"X\"로 시작했는데 그런 메시지는 없습니다. 그런데도 연결이 열려 있습니다. " ..
        "이런 것을 보내는 쪽은 경계를 놓친 것이고, 그 뒤는 모두 잘못 읽게 됩니다. 연결을 " ..
        "닫으세요.",
    },
  },

  checks = {
    {
      en = "takes messages, however they are cut",
      ko = "어떻게 잘려 오든 메시지를 받습니다",
      judge = function(judge)
        local server = judge:serve()
        local peer = judge:connect(server)
        local all = put(1, 10) .. put(2, 30) .. put(3, 90) .. mean(1, 2)
        server:send_apart(peer, { all:sub(1, 1), all:sub(2, 5), all:sub(6, 20), all:sub(21) })
        expect_mean(judge, peer, 20, "cut")
        local many = {}
        for count = 1, 20000 do many[count] = put(count % 100, 7) end
        peer:send(table.concat(many) .. mean(0, 99))
        expect_mean(judge, peer, 7, "cut")
      end,
    },
    {
      en = "knows means",
      ko = "평균을 압니다",
      judge = function(judge)
        local peer = judge:connect(judge:serve())
        peer:send(put(1, 1) .. put(2, 2) .. mean(1, 2))
        expect_mean(judge, peer, 1, "down")
        peer:send(put(-50, -300) .. put(-40, 100) .. mean(-50, 0))
        expect_mean(judge, peer, -100, "signed")
        peer:send(put(2, 9) .. mean(1, 2))
        expect_mean(judge, peer, 5, "replaced")
        peer:send(mean(1000, 2000))
        expect_mean(judge, peer, 0, "none")
        peer:send(mean(200, 100))
        expect_mean(judge, peer, 0, "none")
      end,
    },
    {
      en = "keeps clients apart",
      ko = "클라이언트를 구분합니다",
      judge = function(judge)
        local server = judge:serve()
        local one, other = judge:connect(server), judge:connect(server)
        other:send(put(1, 1000) .. mean(1, 1))
        expect_mean(judge, other, 1000, "mean")
        one:send(put(2, 10) .. mean(1, 2))
        expect_mean(judge, one, 10, "shared")
      end,
    },
    {
      en = "closes on what is no message",
      ko = "메시지가 아닌 것이 오면 연결을 닫습니다",
      judge = function(judge)
        local peer = judge:connect(judge:serve())
        peer:send(put(1, 2) .. mean(1, 1))
        expect_mean(judge, peer, 2, "mean")
        peer:send("X" .. ("\0"):rep(8))
        local _, code = peer:read_all()
        judge:expect(code ~= "timeout", "goes_on")
      end,
    },
  },
}
