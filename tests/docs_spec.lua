-- docs_spec.lua — what the README and docs/ show is what the program does — judges no prose.

local certificates = require "tests.support.certificates"
local cjson = require "cjson"
local control = require "tests.support.control"
local read_file = require "tests.support.read_file"
local rig = require "tests.support.rig"
local shell = require "tests.support.shell"
local supports = require "tests.support.supports"

local function pages()
  local list = { "README.md", "README.ko.md" }
  local listing = assert(io.popen("find docs -name '*.md' | LC_ALL=C sort"))
  for path in listing:lines() do list[#list + 1] = path end
  assert(listing:close())
  return list
end

-- The fenced blocks of a page: { page, line, info, text }.
local function blocks_of(page)
  local blocks, open, number = {}, nil, 0
  for line in read_file(page):gmatch("([^\n]*)\n") do
    number = number + 1
    local info = line:match("^```(.*)$")
    if info and open then
      open.text = table.concat(open, "\n") .. "\n"
      open = nil
    elseif info then
      open = { page = page, line = number, info = info }
      blocks[#blocks + 1] = open
    elseif open then
      open[#open + 1] = line
    end
  end
  assert(not open, page .. " ends inside a block")
  return blocks
end

local function blocks_with(info)
  local list = {}
  for _, page in ipairs(pages()) do
    for _, block in ipairs(blocks_of(page)) do
      if block.info == info then list[#list + 1] = block end
    end
  end
  return list
end

local function place_of(block)
  return block.page .. ":" .. block.line
end

-- A block that returns something at its outermost level is a script of its own.
local function is_script(block)
  return ("\n" .. block.text):find("\nreturn%f[^%w_]") ~= nil
end

describe("A script in the docs", function()
  local moonport = rig.new()

  it("passes moonport check", function()
    local count = 0
    for _, block in ipairs(blocks_with("lua")) do
      local shares = block.text:find("moonport.shared", 1, true)
      if is_script(block) and (not shares or supports.has("LMDB")) then
        local folder = moonport:directory()
        local path = folder:write("script.lua", block.text)
        if block.text:find('"localhost.pem"', 1, true) then
          certificates.quick(moonport, folder, "--ca", "localhost")
        end
        local result = moonport:run({ "check", path })
        assert.equal(0, result.code, place_of(block) .. "\n" .. result.stderr)
        count = count + 1
      else
        assert(load(block.text, "=" .. place_of(block)))
      end
    end
    assert.is_true(count > 5)
  end)

  it("that is marked as wrong fails, in the words shown below it", function()
    local count = 0
    for _, page in ipairs(pages()) do
      local blocks = blocks_of(page)
      for index, block in ipairs(blocks) do
        if block.info == "lua wrong" then
          local shown = blocks[index + 1].text
          local name = shown:match("([%w_]+%.lua):")
          local path = moonport:directory():write(name, block.text)
          local result = moonport:run({ "check", "--log-format", "text", path })
          local directory = path:sub(1, -#name - 1)
          local told = result.stderr:gsub(directory:gsub("%p", "%%%0"), "")
          local without_time = "^%S+ %S+ "
          assert.equal(1, result.code, place_of(block))
          assert.equal((shown:gsub(without_time, "")), (told:gsub(without_time, "")))
          count = count + 1
        end
      end
    end
    assert.is_true(count > 0)
  end)
end)

-- At 250 words a minute, but for what is code.
describe("The README", function()
  for _, path in ipairs({ "README.md", "README.ko.md" }) do
    it("is read in two minutes: " .. path, function()
      local text = read_file(path):gsub("\n```.-\n```", ""):gsub("\n    [^\n]*", "")
      local _, count = text:gsub("%]%([^)]*%)", "]"):gsub("%f[^%s\0]%S+", "")
      assert(count < 530, count .. " words")
    end)
  end
end)

describe("The list of decisions", function()
  it("has each of them", function()
    local list = read_file("docs/adr/README.md")
    for _, path in ipairs(pages()) do
      local name = path:match("^docs/adr/(%d.*)")
      assert(not name or list:find("](" .. name .. ")", 1, true), path .. " is not listed")
    end
  end)
end)

describe("The README's first example", function()
  local moonport = rig.new()

  it("is answered when the command below it is run", function()
    local readme = read_file("README.md")
    local script = blocks_of("README.md")[1]
    local command = assert(readme:match("\n +(printf 'hello' | nc [^\n]*)"))
    assert.matches("listen = 12345", script.text)
    local server = moonport:start(script.text)
    local result = shell.run({ "sh", "-c", (command:gsub("12345", tostring(server:port()))) })
    assert.equal("hello", result.stdout)
    assert.equal(0, result.code)
  end)

  it("is what ./dev run serves, but for its comments", function()
    local function code(text)
      return (text:gsub("%-%-[^\n]*", ""):gsub("%s+", " "):gsub("^ ", ""))
    end
    assert.equal(code(read_file("scripts/echo.lua")), code(blocks_of("README.md")[1].text))
  end)
end)

-- Saved as editors do, by putting a new file in its place: the server has to find the change.
describe("The change in the README", function()
  local moonport = rig.new()

  it("is what the next line of an open connection meets", function()
    local folder = moonport:directory()
    local path = folder:write("echo.lua", blocks_of("README.md")[1].text)
    local server = moonport:serve({ "--listen", "127.0.0.1:0", path })
    local peer = server:connect()
    peer:send("a line\n")
    assert.equal("a line\n", peer:receive(7))
    local _, change, shown = table.unpack(blocks_of("README.md"))
    assert.matches("data:upper", change.text)
    assert(os.rename(folder:write("echo.lua.new", change.text), path))
    server:wait_for(assert(shown.text:match("reloaded: [^\n]+")))
    peer:send("the next\n")
    assert.equal("THE NEXT\n", peer:receive(9))
  end)
end)

describe("The conversation in the guide", function()
  local moonport = rig.new()

  it("greets by name", function()
    local script
    for _, block in ipairs(blocks_with("lua")) do
      if block.text:find("What is your name", 1, true) then script = block.text end
    end
    local peer = moonport:start(assert(script)):connect()
    assert.equal("What is your name? ", peer:receive(19))
    peer:send("Ada\n")
    assert.equal("Hello, Ada!\n", peer:receive_all())
  end)
end)

describe("The lines that docs/scripting.md counts", function()
  local moonport = rig.new()

  it("are counted on by the next version, also where the one before kept text", function()
    local counting
    for _, block in ipairs(blocks_of("docs/scripting.md")) do
      if block.text:find("on_reload", 1, true) then counting = block.text end
    end
    local folder = moonport:directory()
    local path = folder:write("counting.lua", [[return {
      on_unload = function() return 41 end,
      on_data = function(conn) conn.count = "7" conn:send("ready\n") end,
    }]])
    local server = moonport:serve({ "--no-watch", "--listen", "127.0.0.1:0", path })
    local peer, silent = server:connect(), server:connect()
    peer:send("x")
    assert.equal("ready", peer:receive_line())
    folder:write("counting.lua", assert(counting))
    server:signal("sighup")
    server:wait_for("version 2 is in force")
    peer:send("x\n")
    assert.equal("line 8 of 42", peer:receive_line())
    silent:send("x\n")
    assert.equal("line 1 of 43", silent:receive_line())
  end)
end)

-- The steps of the guide, run one beside the other as its reader has them.
describe("The guide", function()
  local moonport = rig.new()

  -- The example of that name, with other ports in place of those that it asks.
  local function example(name, ports)
    for _, block in ipairs(blocks_of("docs/guide.md")) do
      if block.text:match("^%-%- ([%w_]+)%.lua\n") == name then
        return (block.text:gsub("%f[%d]70%d%d%f[%D]", ports))
      end
    end
    error("docs/guide.md has no example " .. name)
  end

  local function start(name, ports)
    return moonport:start(example(name, ports or {}))
  end

  local function nc(server, input)
    return shell.run({ "nc", "-N", "127.0.0.1", tostring(server:port()) }, { stdin = input }).stdout
  end

  it("counts bytes, and then messages", function()
    assert.matches("^%d bytes\n", nc(start("bytes"), "one\ntwo\n"))
    assert.equal("3 bytes\n11 bytes\n", nc(start("messages"), "one\ntwo, longer\n"))
  end)

  it("adds up from top to bottom", function()
    assert.equal("0 + 1 + 3.5 + ", nc(start("sums"), "1\n2.5\n"))
  end)

  it("asks others, and says when nobody is there", function()
    local messages = start("messages")
    local ask = start("ask", { ["7002"] = tostring(messages:port()) })
    local peer = ask:connect()
    peer:send("one\n")
    assert.equal("they say: 3 bytes", peer:receive_line())
    messages:stop()
    peer:send("one\n")
    assert.equal("nobody there: ECONNREFUSED", peer:receive_line())
  end)

  it("is a proxy that passes FIN on", function()
    local bytes = start("bytes")
    local proxy = start("proxy", { ["7001"] = tostring(bytes:port()) })
    assert.equal("4 bytes\n", nc(proxy, "one\n"))
  end)

  it("answers datagrams, and asks with one", function()
    local server = moonport:start(example("datagrams", {}),
      { args = { "--listen", "udp://127.0.0.1:0" } })
    local path = moonport:directory():write("ask_udp.lua",
      example("ask_udp", { ["7006"] = tostring(server:port()) }))
    local result = moonport:run({ "run", path })
    assert.equal("", result.stderr)
    assert.matches("^ONE from 127%.0%.0%.1:%d+\n$", result.stdout)
  end)

  it("keeps what is said to itself", function()
    local folder = moonport:directory()
    certificates.quick(moonport, folder, "localhost")
    local server = moonport:serve({ "--listen", "tls://127.0.0.1:0",
      folder:write("secret.lua", example("secret", {})) })
    local result = shell.run({ "openssl", "s_client", "-quiet", "-CAfile", "localhost.pem",
      "-verify_return_error", "-connect", "127.0.0.1:" .. server:port() },
      { cwd = folder.path, stdin = "one\n" })
    assert.equal("4 bytes, unread on the way\n", result.stdout)
  end)

  it("does several things at once", function()
    local path = moonport:directory():write("race.lua", example("race", {}))
    local result = moonport:run({ "run", path })
    assert.equal("", result.stderr)
    local fast = assert(result.stdout:find("fast\t3\nfast is done\n", 1, true))
    assert.is_true(fast < assert(result.stdout:find("slow\t3\nslow is done\n", 1, true)))
  end)
end)

describe("The docs name", function()
  local moonport = rig.new()

  local function assert_named(page, words)
    local text = read_file(page)
    local count = 0
    for word in pairs(words) do
      assert(text:find(word, 1, true), page .. " does not name " .. word)
      count = count + 1
    end
    assert.is_true(count > 0)
  end

  it("every option and every variable that --help names", function()
    local help = moonport:run({ "--help" }).stdout
    local words = {}
    for word in help:gmatch("%-%-[%l-]+") do words[word] = true end
    for word in help:gmatch("MOONPORT_[%u_]+") do words[word] = true end
    assert_named("docs/reference.md", words)
    assert_named("docs/operating.md", words)
  end)

  it("every field of a service", function()
    local path = moonport:directory():write("script.lua",
      "return { qqqqqqqqqqqqqqqqq = 1, limits = { qqqqqqqqqqqqqqqqq = 1 }, " ..
      "timeouts = { qqqqqqqqqqqqqqqqq = 1 }, on_data = print }")
    local words = {}
    for _, record in ipairs(moonport:run({ "check", path }).log) do
      local group = record.message:match("'(%l-%.?)q+'")
      local known = assert(record.message:match("known: ([%l_, ]+)%)"))
      for name in known:gmatch("[%l_]+") do words["`" .. group .. name] = true end
    end
    assert_named("docs/scripting.md", words)
  end)

  it("every function of the modules", function()
    local path = moonport:directory():write("script.lua", [[
      for _, name in ipairs({ "log", "timer", "server", "socket", "task", "frame", "json",
        "control", "codec", "address", "http",
        "redis", "file", "process" }) do
        for key in pairs(require("moonport." .. name)) do print(name .. "." .. key) end
      end
      return { on_data = print }
    ]])
    local words = {}
    for _, record in ipairs(moonport:run({ "check", path }).log) do
      if record.message ~= "log.print" then words["`" .. record.message] = true end
    end
    assert_named("docs/reference.md", words)
  end)

  it("every reason for which a connection ends", function()
    local words = {}
    for name in read_file("src/base/reason.c"):gmatch('= "(%l[%l_]*)"') do
      if name ~= "none" then words["`" .. name .. "`"] = true end
    end
    assert_named("docs/scripting.md", words)
  end)
end)

describe("The JSON of status in the docs", function()
  local moonport = rig.new()

  local function types_of(object)
    local types = {}
    for name, value in pairs(object) do
      types[name] = type(value) == "table" and not value[1] and types_of(value) or type(value)
    end
    return types
  end

  local function example()
    for _, block in ipairs(blocks_with("json")) do
      local lines = {}
      for line in block.text:gmatch("[^\n]+") do lines[#lines + 1] = cjson.decode(line) end
      if lines[1].memory_bytes then return lines end
    end
  end

  it("has the fields of a server whose last change failed, each of its type", function()
    local folder = moonport:directory()
    local path = folder:write("chat.lua", "return { on_data = print }")
    local server = moonport:serve({ "--no-watch", "--listen", "127.0.0.1:0", "--allow",
      "io=" .. folder.path, path }, { control = true })
    server:allow_log("chat%.lua:1: ")
    server:allow_log("not reloaded")
    folder:write("chat.lua", "return {")
    control.ask_once(server, "reload")
    local scripts, process = control.ask_once(server, "status")
    local shown = example()
    assert.same(types_of(scripts[1]), types_of(shown[1]))
    assert.same(types_of(process), types_of(shown[2]))
  end)
end)
