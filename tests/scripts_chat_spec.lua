-- scripts_chat_spec.lua — scripts/chat.lua: names, who is here, and what nobody may do to others.

local rig = require "tests.support.rig"
local shell = require "tests.support.shell"

describe("scripts/chat.lua", function()
  local moonport = rig.new()

  local function start(env)
    return moonport:serve({ "--listen", "127.0.0.1:0", "scripts/chat.lua" }, { env = env })
  end

  -- A guest who was greeted, and then named.
  local function join(server, nick)
    local peer = server:connect()
    local guest = peer:receive_line():match("^%* Welcome, (guest%d+):")
    assert.is_truthy(guest)
    if nick then
      peer:send("/nick " .. nick .. "\n")
      assert.equal("* " .. guest .. " is now " .. nick, peer:receive_line())
    end
    return peer, guest
  end

  -- Two who have heard of each other.
  local function ada_and_bob(server)
    local ada = join(server, "ada")
    local bob, guest = join(server, "bob")
    assert.equal("* " .. guest .. " came in", ada:receive_line())
    assert.equal("* " .. guest .. " is now bob", ada:receive_line())
    return ada, bob
  end

  it("sends what one says to the others, with the name", function()
    local ada, bob = ada_and_bob(start())
    ada:send("hello, bob\nhow are you?\n")
    bob:send("hello\r\n")
    assert.equal("ada: hello, bob", bob:receive_line())
    assert.equal("ada: how are you?", bob:receive_line())
    -- Of what she said, nothing came back to her.
    assert.equal("bob: hello", ada:receive_line())
  end)

  it("tells who comes and who goes, in any way", function()
    local server = start()
    local ada, bob = ada_and_bob(server)
    bob:send("/quit\nto nobody\n")
    assert.equal("* Goodbye\n", bob:receive_all())
    bob:close()
    assert.equal("* bob left", ada:receive_line())
    local carl, carls = join(server)
    assert.equal("* " .. carls .. " came in", ada:receive_line())
    carl:reset()
    assert.equal("* " .. carls .. " left", ada:receive_line())
    local dora, doras = join(server)
    assert.equal("* " .. doras .. " came in", ada:receive_line())
    dora:finish()
    assert.equal("", dora:receive_all())
    assert.equal("* " .. doras .. " left", ada:receive_line())
  end)

  it("lists who is here", function()
    local ada, bob = ada_and_bob(start())
    ada:send("/who\n")
    assert.equal("* Here: ada, bob", ada:receive_line())
    bob:send("/quit\n")
    bob:receive_all()
    bob:close()
    assert.equal("* bob left", ada:receive_line())
    ada:send("/who\n")
    assert.equal("* Here: ada", ada:receive_line())
  end)

  it("gives no name to two, not even in other letters", function()
    local server = start()
    local ada, bob = ada_and_bob(server)
    for _, nick in ipairs({ "ada", "ADA", "Bob" }) do
      bob:send("/nick " .. nick .. "\n")
      assert.equal("* " .. nick .. " is taken", bob:receive_line())
    end
    ada:send("/nick lady\n")
    assert.equal("* ada is now lady", bob:receive_line())
    bob:send("/nick ada\n")
    assert.equal("* bob is now ada", bob:receive_line())
  end)

  it("finds another name for a guest whose own is taken", function()
    local server = start()
    local peer, guest = join(server)
    local number = tonumber(guest:match("%d+"))
    peer:send("/nick GUEST" .. number + 1 .. "\n")
    peer:receive_line()
    local _, other = join(server)
    assert.equal("guest" .. number + 2, other)
  end)

  it("takes no name that could be mistaken for something else", function()
    local ada = join(start(), "ada")
    for _, nick in ipairs({ "", "a:b", "*", ("x"):rep(21), "\xc3\xa4", "a.b" }) do
      ada:send("/nick " .. nick .. "\n")
      assert.matches("^%* A nickname is", ada:receive_line())
    end
  end)

  it("knows its commands, and says so", function()
    local ada = join(start(), "ada")
    for _, command in ipairs({ "/fly", "/", "//", "/Nick x", "/whoever" }) do
      ada:send(command .. "\n")
      assert.matches("^%* There is /nick NAME, /who and /quit; no " .. command:match("^%S+"),
        ada:receive_line())
    end
  end)

  it("shows no control byte of one to another, and leaves what can be read", function()
    local ada, bob = ada_and_bob(start())
    local cases = {
      { "a\27[2Jb\7c\0d\127e\tf\r", "a[2Jbcdef" },
      { "C1: \xc2\x9b31m and \xc2\x85", "C1: 31m and " },
      { "\xc3\xa4\xe2\x82\xac \xf0\x9f\x8c\x95", "\xc3\xa4\xe2\x82\xac \xf0\x9f\x8c\x95" },
      { "no UTF-8: \xff\x9b \xc3", "no UTF-8: ?? ?" },
    }
    for _, case in ipairs(cases) do
      ada:send(case[1] .. "\n")
      assert.equal("ada: " .. case[2], bob:receive_line())
    end
    ada:send("/\27[31mfly\n")
    assert.equal("* There is /nick NAME, /who and /quit; no /[31mfly", ada:receive_line())
  end)

  it("hangs up on a line that is too long, keeps none of it, and goes on for the others", function()
    -- AddressSanitizer would keep what was freed.
    local server = start({ ASAN_OPTIONS = "quarantine_size_mb=1" })
    server:allow_log("the line is longer than a message may be")
    local ada, bob = ada_and_bob(server)
    local rss = server:rss()
    ada:send(("y"):rep(1000) .. "\nshort\n")
    assert.equal("ada: " .. ("y"):rep(1000), bob:receive_line())
    assert.equal("ada: short", bob:receive_line())
    for _ = 1, 300 do ada:offer(("x"):rep(100000)) end
    assert.equal("* ada left", bob:receive_line())
    bob:send("/who\n")
    assert.equal("* Here: bob", bob:receive_line())
    assert.is_true(server:rss() - rss < 16 * 1024 * 1024, "memory grew with the line")
  end)

  it("goes on for the others when one does not read", function()
    local server = start()
    server:allow_log("limits.write_queue is full")
    local deaf = server:connect({ receive_buffer = 4096 })
    deaf:receive_line()
    local ada, bob = ada_and_bob(server)
    local line, news = ("z"):rep(900) .. "\n", "* guest1 left\n"
    local heard = ""
    while not heard:find(news, 1, true) do
      ada:offer(line:rep(100))
      local expected = ("ada: " .. line):rep(100)
      heard = bob:receive(#expected)
      if heard ~= expected then heard = heard .. bob:receive(#news) end
      assert.is_true(heard:gsub(news:gsub("%p", "%%%0"), "", 1) == expected)
    end
  end)

  it("can be used with nc", function()
    local server = start()
    local ada = join(server, "ada")
    local result = shell.run({ "nc", "127.0.0.1", tostring(server:port()) },
      { stdin = "/nick bob\nhello\n/quit\n" })
    assert.equal("* Welcome, guest2: /nick NAME, /who, /quit\n* guest2 is now bob\n* Goodbye\n",
      result.stdout)
    assert.equal("* guest2 came in", ada:receive_line())
    assert.equal("* guest2 is now bob", ada:receive_line())
    assert.equal("bob: hello", ada:receive_line())
    assert.equal("* bob left", ada:receive_line())
  end)
end)
