-- scripts_pieces_spec.lua — however the network cuts what a client sends, the answers are the same.

local loop = require "tests.support.loop"
local rig = require "tests.support.rig"

local ROUNDS = 12

local function redis(...)
  local words = { "*" .. select("#", ...) .. "\r\n" }
  for index, word in ipairs({ ... }) do words[index + 1] = ("$%d\r\n%s\r\n"):format(#word, word) end
  return table.concat(words)
end

local kv = table.concat({
  redis("SET", "n", "x"), redis("DEL", "n"), redis("SET", "a", "\r\n$3\r\nGET\r\n"),
  redis("GET", "a"),
  redis("set", "b", ""), redis("get", "b"), "PING\r\n", "  echo hello \n", "\r\n", "*0\r\n",
  redis("SET", "long", ("0123456789"):rep(300)), redis("GET", "long"), redis("INCR", "n"),
  redis("INCR", "n"), redis("INCR", "a"), redis("GET"), redis("FLY", "\0\27"), redis("GET", "none"),
  redis("EXISTS", "a", "b", "c"), redis("PING", ("x"):rep(1001)),
})

local chat = table.concat({
  "/nick ada\n", "/who\r\n", "hello\n", "\n", "/nick ADA\n", ("long "):rep(200) .. "\n", "/nick\n",
  "h\27[2J\xc2\x9bi\xff \xc3\xa4\n", ("x"):rep(1000) .. "\n", "/nothing\n",
})

-- What each script is sent, one thing after which it goes on, and one after which it does not.
local cases = {
  { script = "echo", inputs = { ("all of this"):rep(100) } },
  { script = "kv", inputs = {
    kv .. redis("QUIT") .. redis("PING"), kv .. "*1\r\n$x\r\n" .. kv, kv .. "*200\r\n" .. kv,
    kv .. redis("PING"):gsub("PING", "PINGS"), kv .. ("y"):rep(4200) .. "\n",
    kv .. "*2\r\n$4\r\nEC", kv .. "*00\r\n", kv .. "*2\r\n$3\r\nGET\r\r\n",
  } },
  { script = "chat", inputs = {
    chat .. "/quit\nlost\n", chat .. ("x"):rep(1001) .. "\nlost\n",
  } },
}

-- What differs from one time to the next and is not the point.
local function timeless(text)
  return (text:gsub("guest%d+", "guest"))
end

describe("any cut of the input gives the same answers", function()
  local moonport = rig.new()

  -- Sends `text` in pieces of `next_size()` bytes and returns all that is answered.
  local function converse(server, text, next_size)
    local peer = server:connect()
    peer.handle:nodelay(true)
    local at = 1
    while at <= #text do
      local size = next_size()
      peer:offer(text:sub(at, at + size - 1))
      loop.turn()
      at = at + size
    end
    peer:finish()
    local answer = peer:receive_all()
    peer:close()
    server:wait_idle()
    return timeless(answer)
  end

  for _, case in ipairs(cases) do
    for number, input in ipairs(case.inputs) do
      it(("from %s.lua, input %d"):format(case.script, number), function()
        local server = moonport:serve({ "--listen", "127.0.0.1:0",
          "scripts/" .. case.script .. ".lua" })
        server:allow_log("the line is longer than a message may be")
        local whole = converse(server, input, function() return #input end)
        assert.is_true(#whole > 200, "the reference is no conversation: " .. whole)
        assert.equal(whole, converse(server, input, function() return 1 end))
        for round = 1, ROUNDS do
          math.randomseed(round)
          local longest = 2 ^ math.random(10) // 1 | 0
          local answer = converse(server, input, function() return math.random(longest) end)
          assert.equal(whole, answer, "with random seed " .. round)
        end
      end)
    end
  end
end)
