-- People who come, talk and go, and one who has no name yet.

-- The next line, which has to be this one; else `key` says what is wrong with what came.
local function expect_line(judge, peer, expected, key)
  local line = peer:read_line()
  judge:expect(line == expected, key, judge:shown(line or ""), ('"%s"'):format(expected))
end

local function connect(judge, server)
  local peer = judge:connect(server)
  expect_line(judge, peer, "your name?", "question")
  return peer
end

-- Somebody who comes in, and is told that these are here.
local function join(judge, server, name, others)
  local peer = connect(judge, server)
  peer:send(name .. "\n")
  expect_line(judge, peer, ("* here: %s"):format(others), "here")
  return peer
end

return {
  hints = {
    question = {
      en = "Whoever connects should first of all be asked with the line %2$s. The line was %1$s.",
      ko = "연결한 사람에게 가장 먼저 %2$s라고 물어야 합니다. 받은 것은 %1$s입니다.",
    },
    here = {
      en = "Whoever has given a name is told who else is in the room, in the order in which " ..
        "they came. The line should be %2$s, and was %1$s.",
      ko = "이름을 말한 사람에게는 방에 누가 있는지를 본인은 빼고 들어온 순서대로 알려 줍니다. " ..
        "받은 것은 %1$s, 기대한 것은 %2$s입니다.",
    },
    came = {
      en = "Somebody came in. Those in the room should receive %2$s, and received %1$s.",
      ko = "누군가 들어왔을 때 방에 있던 사람이 받은 것은 %1$s, 기대한 것은 %2$s입니다.",
    },
    left = {
      en = "Somebody left. Those in the room should receive %2$s, and received %1$s.",
      ko = "누군가 나갔을 때 방에 있던 사람이 받은 것은 %1$s, 기대한 것은 %2$s입니다.",
    },
    said = {
      en = "Something was said. Another one in the room should receive %2$s, and received %1$s.",
      ko = "누군가 말했을 때 방에 있던 다른 사람이 받은 것은 %1$s, 기대한 것은 %2$s입니다.",
    },
    own_words = {
      en = "The next line for the one who spoke should be %2$s, and was %1$s: nobody is sent " ..
        "their own words.",
      ko = "말한 사람이 다음으로 받은 것은 %1$s, 기대한 것은 %2$s입니다. 자기가 한 말은 " ..
        "자기에게 돌아오지 않습니다.",
    },
    nameless = {
      en = "Somebody without a name received %1$s. The first line should be %2$s, after giving " ..
        "a name. Being connected is not yet being in the room: server.broadcast reaches all " ..
        "connections, a group only those that were added.",
      ko = "아직 이름이 없는 사람이 %1$s을(를) 받았습니다. 이름을 말한 뒤 %2$s만 받아야 " ..
        "합니다. 연결되었다고 방에 들어온 것은 아닙니다. server.broadcast는 모든 연결에 " ..
        "닿지만, 그룹은 추가된 연결에만 닿습니다.",
    },
    ghost = {
      en = "Somebody connected, gave no name and left. The next line in the room should be " ..
        "%2$s, and was %1$s: whoever never came in does not leave either.",
      ko = "누군가 연결했다가 이름을 말하지 않고 끊었습니다. 방에서 다음으로 받은 것은 %1$s, " ..
        "기대한 것은 %2$s입니다. 들어온 적이 없으면 나가지도 않습니다.",
    },
    taken = {
      en = "The name is in use, and should be refused with \"no: taken\". The answer was %s.",
      ko = "이미 쓰는 이름이므로 \"no: taken\"으로 거절해야 합니다. 받은 것은 %s입니다.",
    },
    bad_name = {
      en = "The name \"%s\" should be refused with \"no:\" and a reason, for a name is 1 to 16 " ..
        "letters and digits: it is shown to everybody. The answer was %s.",
      ko = "이름 \"%s\"은(는) \"no:\"와 이유로 거절해야 합니다. 이름은 모두에게 보이므로 " ..
        "영문자와 숫자 1~16자만 됩니다. 받은 것은 %s입니다.",
    },
    stays = {
      en = "A name was refused, and the connection is still open after five seconds.",
      ko = "이름을 거절했는데 5초가 지나도 연결이 열려 있습니다.",
    },
  },

  checks = {
    {
      en = "passes on what is said, to the others in the room",
      ko = "방 안의 다른 사람에게 말을 전합니다",
      judge = function(judge)
        local server = judge:serve()
        local nameless = connect(judge, server)
        local ada = join(judge, server, "ada", "")
        local bob = join(judge, server, "bob", "ada")
        expect_line(judge, ada, "* bob came", "came")
        server:send_apart(ada, { "hello, ", "bob\n" })
        expect_line(judge, bob, "ada: hello, bob", "said")
        bob:send("hi\n")
        expect_line(judge, ada, "bob: hi", "own_words")
        nameless:send("eve\n")
        expect_line(judge, nameless, "* here: ada, bob", "nameless")
      end,
    },
    {
      en = "tells who comes and who goes",
      ko = "누가 들어오고 나가는지 알립니다",
      judge = function(judge)
        local server = judge:serve()
        local ada = join(judge, server, "ada", "")
        local ghost = connect(judge, server)
        ghost:close()
        server:wait_event({ event = "close", conn = server:conn_of(ghost) }, 2)
        local bob = join(judge, server, "bob", "ada")
        expect_line(judge, ada, "* bob came", "ghost")
        bob:reset()
        expect_line(judge, ada, "* bob left", "left")
        local carol = join(judge, server, "carol", "ada")
        expect_line(judge, ada, "* carol came", "came")
        carol:close()
        expect_line(judge, ada, "* carol left", "left")
      end,
    },
    {
      en = "refuses names that cannot be",
      ko = "쓸 수 없는 이름을 거절합니다",
      judge = function(judge)
        local server = judge:serve()
        local ada = join(judge, server, "ada", "")
        for _, name in ipairs { "ada", "", "two words", "* bob", ("x"):rep(17) } do
          local peer = connect(judge, server)
          peer:send(name .. "\n")
          local line = peer:read_line()
          local shown = judge:shown(line or "")
          if name == "ada" then judge:expect(line == "no: taken", "taken", shown) end
          judge:expect(line and line:find("^no:"), "bad_name", name, shown)
          local _, code = peer:read_all()
          judge:expect(code ~= "timeout", "stays")
          peer:close()
        end
        local bob = join(judge, server, "bob", "ada")
        expect_line(judge, ada, "* bob came", "ghost")
        bob:send("there you are\n")
        expect_line(judge, ada, "bob: there you are", "said")
      end,
    },
  },
}
