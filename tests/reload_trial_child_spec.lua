-- reload_trial_child_spec.lua — what the process is that tries a change: the same program, with the
-- same rights, or none — not what it finds (reload_trial_spec).

local control = require "tests.support.control"
local reloading = require "tests.support.reloading"
local rig = require "tests.support.rig"
local server_support = require "tests.support.server"
local shell = require "tests.support.shell"
local supports = require "tests.support.supports"
local uv = require "luv"

local GOOD = [[return { on_data = function(conn, data) conn:send(%q .. data) end }]]
local ENDLESS = "setmetatable({}, { __gc = function() while true do end end }) collectgarbage()\n"

local function answering(name, before)
  return (before or "") .. GOOD:format(name)
end

describe("the process that tries a change", function()
  local moonport = rig.new()

  local function assert_tried(at)
    at.server:allow_log("not reloaded: version %d stays in force")
    at.folder:write("test.lua", answering("x", ENDLESS))
    local lines, last = control.ask(at.asked, "reload")
    assert.is_false(last.ok)
    assert.truthy(lines[1].error:find("takes longer than --trial 1 s", 1, true), lines[1].error)
    at.server:expect_log("takes longer than %-%-trial 1 s")
  end

  -- A package upgrade does both, and the new program may be of another kind.
  supports.it("own-image",
    "is the program that serves, although its file was removed, or replaced", function()
    local folder = moonport:directory()
    local program = folder:join("moonport")
    assert(uv.fs_copyfile(server_support.program, program))
    local at = reloading.start(moonport, answering("a"), {
      prefix = { "sh", "-c", 'shift; exec "$0" "$@"', program }, env = { MOONPORT_TRIAL = "1" },
    })
    local peer = at.server:connect()
    assert(uv.fs_unlink(program))
    at:reload(answering("b"))
    reloading.ask(peer, "1", "b1")
    assert_tried(at)
    assert(uv.fs_chmod(folder:write("moonport", "#!/bin/sh\nexit 3\n"), tonumber("755", 8)))
    at:reload(answering("c"))
    reloading.ask(peer, "2", "c2")
    assert_tried(at)
  end)

  it("cannot be had without /proc: then a change is loaded untried, which is told once", function()
    local without = shell.words(shell.unshare("m"), "sh", "-c",
      'mount -t tmpfs none /proc && exec "$@"', "sh")
    if shell.run(shell.words(without, "true")).code ~= 0 then pending("cannot mount") return end
    local at = reloading.start(moonport, answering("a"), { prefix = without })
    -- A sanitizer misses /proc too, most of all at the end.
    at.server:allow_log("^==%d+==WARNING: ")
    at.server:allow_log("^False positive error reports may follow$")
    at.server:allow_log("^For details see ")
    local peer = at.server:connect()
    at:reload(answering("b"))
    reloading.ask(peer, "1", "b1")
    at.server:expect_log("^changed scripts are loaded without a trial %(a process for it cannot " ..
      "be had: no such file or directory%): one that never comes to its end would end the server$")
    at:reload(answering("c"))
    reloading.ask(peer, "2", "c2")
    at.folder:write("test.lua", "return {")
    at.server:allow_log("not reloaded: version 3 stays in force")
    at.server:allow_log("test.lua:1: ")
    assert.is_false(select(2, control.ask(at.asked, "reload")).ok)
    reloading.ask(peer, "3", "c3")
    local told = select(2, at.server:log_text():gsub("without a trial", ""))
    assert.equal(1, told)
    at.server:assert_clean_log()
    at.server:kill()
  end)

  local function start_with(allowed)
    local folder = moonport:directory()
    local path = folder:write("test.lua", answering("a"))
    local server = moonport:serve(
      { "--allow", allowed(folder.path), "--no-watch", "--listen", "127.0.0.1:0", path },
      { control = true })
    return folder, server
  end

  -- It writes a line each time that it is loaded.
  local function load_writing(folder, server)
    local mark = folder:join("mark")
    folder:write("test.lua", answering("b", ([[
      local ok, err = pcall(function()
        local file <close> = assert(io.open(%q, "a"))
        file:write("x")
      end)
      if not ok then print("> " .. tostring(err)) end
    ]]):format(mark)))
    local _, last = control.ask_once(server, "reload")
    assert.is_true(last.ok)
    local file = io.open(mark)
    local text = file and file:read("a")
    if file then file:close() end
    return text
  end

  it("has no more rights than --allow leaves the server", function()
    local folder, server = start_with(function() return "os" end)
    assert.is_nil(load_writing(folder, server))
    assert.matches("io", server:wait_told(1)[1])
  end)

  it("has the rights that --allow gives the server", function()
    local folder, server = start_with(function(path) return "io=" .. path end)
    assert.equal("xx", load_writing(folder, server)) -- tried, and loaded
  end)

  -- The limit of processes is the user's, so root has none.
  it("cannot be had where none may be started: then a change is loaded untried", function()
    if not shell.has("strace") then pending("needs strace") return end
    local at = reloading.start(moonport, answering("a"), {
      prefix = { "strace", "-D", "-o", "/dev/null", "-e", "trace=fork,vfork,clone",
        "-e", "inject=fork,vfork,clone:error=EAGAIN:when=1+" },
      env = { ASAN_OPTIONS = "detect_leaks=0" },
    })
    at:reload(answering("b"))
    at.server:expect_log("loaded without a trial %(.*resource temporarily unavailable")
    reloading.ask(at.server:connect(), "1", "b1")
  end)
end)
