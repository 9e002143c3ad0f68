-- reload_watch_spec.lua — a script that is saved, in whatever way, answers anew; a client sees it,
-- and its connection stays — not what a reload does to a version.

local control = require "tests.support.control"
local loop = require "tests.support.loop"
local rig = require "tests.support.rig"
local shell = require "tests.support.shell"
local uv = require "luv"

-- A service that answers each byte with a line; all of one length have names of one length.
local function answering(name, more)
  return ("%s return { listen = 0, on_data = function(conn) conn:send(%q .. '\\n') end }\n")
    :format(more or "", name)
end

local function ask(peer)
  peer:send("?")
  return peer:receive_line()
end

describe("a script that is watched", function()
  local moonport = rig.new()
  local folder, path, server, peer

  -- Serves one file of that text, and connects a client that stays.
  local function serve_file(text, options, ...)
    folder = moonport:directory()
    path = folder:write("test.lua", text)
    server = moonport:serve({ path, ... }, options)
    peer = server:connect()
  end

  -- The same with a directory of scripts: { ["a.lua"] = text }.
  local function serve_directory(scripts, options)
    folder = moonport:directory()
    for name, text in pairs(scripts) do folder:write(name, text) end
    server = moonport:serve({ folder.path }, options)
    peer = server:connect()
  end

  -- Both the connection that was there before and a new one are answered by the new version.
  local function assert_reloaded(version, answer)
    server:wait_for("version " .. version .. " is in force")
    assert.equal(answer, ask(peer))
    assert.equal(answer, ask(server:connect()))
  end

  -- The version before goes on, for the open connection and for new ones.
  local function assert_kept(answer, message)
    server:allow_log("not reloaded")
    server:expect_log(message)
    server:wait_for("not reloaded")
    assert.equal(answer, ask(peer))
    assert.equal(answer, ask(server:connect()))
  end

  -- What may be seen in between, on a machine that is slow, while a file is away for a moment.
  local function allow_absence()
    server:allow_log("not reloaded")
    server:allow_log("cannot be read: No such file")
  end

  local function write_in_place(text)
    local file <close> = assert(io.open(path, "r+b"))
    assert(file:write(text))
  end

  local function statuses()
    local list = {}
    for _, line in ipairs(control.ask_once(server, "status")) do list[#list + 1] = line end
    return list
  end

  describe("is read again after", function()
    before_each(function()
      serve_file(answering("one"))
      assert.equal("one", ask(peer))
    end)

    it("it is written in place, as long as before", function()
      write_in_place(answering("two"))
      assert_reloaded(2, "two")
    end)

    it("it is truncated and written", function()
      folder:write("test.lua", answering("two, and longer"))
      assert_reloaded(2, "two, and longer")
    end)

    it("another file is renamed over it", function()
      assert(uv.fs_rename(folder:write("test.lua.tmp", answering("two")), path))
      assert_reloaded(2, "two")
      assert(uv.fs_rename(folder:write(".test.lua.swp", answering("six")), path))
      assert_reloaded(3, "six")
    end)

    it("it is deleted, and returns", function()
      allow_absence()
      assert(uv.fs_unlink(path))
      folder:write("test.lua", answering("two"))
      server:wait_for("version %d is in force")
      assert.equal("two", ask(peer))
    end)

    it("it is moved away as a backup and written anew, as editors do", function()
      allow_absence()
      assert(uv.fs_rename(path, path .. "~"))
      folder:write("test.lua", answering("two"))
      server:wait_for("version %d is in force")
      assert.equal("two", ask(peer))
    end)

    it("an older file is put back, with its old time", function()
      folder:write("backup", answering("old"))
      assert(uv.fs_utime(folder:join("backup"), 1e9, 1e9))
      assert(uv.fs_rename(folder:join("backup"), path))
      assert_reloaded(2, "old")
    end)

    it("it is written in place under the time that it had before", function()
      local before = assert(uv.fs_stat(path))
      write_in_place(answering("two"))
      local seconds = before.mtime.sec + before.mtime.nsec / 1e9
      assert(uv.fs_utime(path, seconds, seconds))
      assert_reloaded(2, "two")
    end)

    it("a symbolic link takes its place", function()
      folder:write("elsewhere", answering("two"))
      assert(uv.fs_symlink("elsewhere", folder:join("link")))
      assert(uv.fs_rename(folder:join("link"), path))
      assert_reloaded(2, "two")
      folder:write("elsewhere", answering("six"))
      assert_reloaded(3, "six")
    end)
  end)

  it("is not read again when it was only touched", function()
    serve_file(answering("one"), { control = true })
    assert(uv.fs_utime(path, 1e9, 1e9))
    folder:write("test.lua", answering("one"))
    -- A change that is seen after those two were.
    folder:write("test.lua", answering("two"))
    assert_reloaded(2, "two")
    assert.equal(2, statuses()[1].version)
  end)

  it("follows the links of a ConfigMap when they are swapped", function()
    folder = moonport:directory()
    local function publish(name, text)
      folder:make(name)
      folder:write(name .. "/test.lua", text)
      assert(uv.fs_symlink(name, folder:join("..data_tmp")))
      assert(uv.fs_rename(folder:join("..data_tmp"), folder:join("..data")))
    end
    publish("..2026_1", answering("one"))
    assert(uv.fs_symlink("..data/test.lua", folder:join("test.lua")))
    server = moonport:serve({ folder.path })
    peer = server:connect()
    assert.equal("one", ask(peer))
    for version, answer in ipairs({ "one", "two", "six", "ten" }) do
      if version > 1 then
        publish("..2026_" .. version, answering(answer))
        assert(shell.run({ "rm", "-r", folder:join("..2026_" .. version - 1) }).code == 0)
        assert_reloaded(version, answer)
      end
    end
  end)

  it("follows a directory that is switched with ln -sfn", function()
    folder = moonport:directory()
    for release, answer in pairs({ r1 = "one", r2 = "two" }) do
      folder:make(release)
      folder:write(release .. "/test.lua", answering(answer))
    end
    local link = folder:join("current")
    local function switch(release)
      assert.equal(0, shell.run({ "ln", "-sfn", release, link }).code)
    end
    switch("r1")
    server = moonport:serve({ link })
    peer = server:connect()
    assert.equal("one", ask(peer))
    switch("r2")
    assert_reloaded(2, "two")
    switch("r1")
    assert_reloaded(3, "one")
  end)

  it("follows a served directory that is replaced by another", function()
    folder = moonport:directory()
    for name, answer in pairs({ live = "one", next = "two" }) do
      folder:make(name)
      folder:write(name .. "/test.lua", answering(answer))
    end
    server = moonport:serve({ folder:join("live") })
    peer = server:connect()
    allow_absence()
    assert(uv.fs_rename(folder:join("live"), folder:join("gone")))
    assert(uv.fs_rename(folder:join("next"), folder:join("live")))
    server:wait_for("version %d is in force")
    assert.equal("two", ask(peer))
    -- What happens in the one that was moved away is nobody's business; here it is.
    folder:write("gone/test.lua", answering("bad"))
    folder:write("live/test.lua", answering("six"))
    loop.eventually("the third answer", function() return ask(peer) == "six" end)
  end)

  describe("in a served directory", function()
    it("is served when it comes, by the side of the others", function()
      serve_directory({ ["a.lua"] = answering("one") })
      folder:write("b.lua", answering("new"))
      server:wait_addresses(2)
      assert.equal("new", ask(server:connect({ address = server:address(2) })))
      assert.equal("one", ask(peer))
    end)

    it("is served when it is mended, after it came broken", function()
      serve_directory({ ["a.lua"] = answering("one") }, { control = true })
      folder:write("b.lua", "return {")
      server:expect_log("b.lua:1: ")
      server:allow_log("not reloaded")
      assert.equal("failed", statuses()[2].state)
      folder:write("b.lua", answering("new"))
      server:wait_addresses(2)
      assert.equal("new", ask(server:connect({ address = server:address(2) })))
      assert.equal("one", ask(peer))
    end)

    it("lets its connections finish when it is removed, and takes no new ones", function()
      serve_directory({ ["a.lua"] = answering("one"), ["b.lua"] = answering("two") },
        { listeners = 2, control = true })
      local other = server:connect({ address = server:address(2) })
      assert.equal("two", ask(other))
      assert(uv.fs_unlink(folder:join("b.lua")))
      server:wait_for("its file was removed")
      local client = require "tests.support.client"
      loop.eventually("the address to be closed", function()
        local met, err = client.try_connect(server:address(2))
        if met then met:close() end
        return err == "ECONNREFUSED"
      end)
      assert.equal("two", ask(other))
      assert.equal("draining", statuses()[2].state)
      other:close()
      loop.eventually("the script to be gone", function() return #statuses() == 1 end)
      assert.equal("one", ask(peer))
    end)

    it("closes what is left of its connections at the deadline, when it is removed", function()
      serve_directory({ ["a.lua"] = answering("one"), ["b.lua"] = answering("two") },
        { listeners = 2, env = { MOONPORT_DRAIN = "0.1" } })
      local other = server:connect({ address = server:address(2) })
      assert.equal("two", ask(other))
      assert(uv.fs_unlink(folder:join("b.lua")))
      assert.equal("", other:receive_all())
      assert.equal("one", ask(peer))
    end)

    it("returns on its own port while connections of its former self still drain", function()
      local taken = moonport:start(answering("x"))
      local port = taken:port()
      taken:stop()
      local function script(name)
        return answering(name):gsub("listen = 0", "listen = " .. port)
      end
      serve_directory({ ["a.lua"] = script("one") })
      server:allow_log("not ready: no script is served")
      assert(uv.fs_unlink(folder:join("a.lua")))
      server:wait_for("its file was removed")
      folder:write("a.lua", script("two"))
      server:wait_addresses(2)
      assert.equal("one", ask(peer))
      assert.equal("two", ask(server:connect()))
    end)
  end)

  it("saved 100 times in a second has two versions at most, and the last one stays", function()
    serve_file(answering("000"), { control = true })
    -- A look may find the file between truncated and written: then the version before stays.
    server:allow_log("the script returned nothing")
    server:allow_log("not reloaded")
    local asked = control.connect(server)
    local most = 0
    for save = 1, 100 do
      folder:write("test.lua", answering(("%03d"):format(save)))
      local lines = control.ask(asked, "status")
      most = math.max(most, lines[1].versions)
      loop.pass(8)
      assert.matches("^%d%d%d$", ask(peer))
    end
    loop.eventually("the last content", function() return ask(peer) == "100" end)
    local lines = control.ask(asked, "status")
    assert.is_true(most <= 2, most .. " versions at once")
    assert.is_true(lines[1].version < 60, lines[1].version .. " reloads of 100 saves")
    loop.eventually("one version to be left", function()
      return control.ask(asked, "status")[1].versions == 1
    end)
  end)

  describe("and requires a module", function()
    local requiring = [[
      local words = require "words"
      return { listen = 0, on_data = function(conn) conn:send(words.answer .. "\n") end }
    ]]

    it("is read again when that changes", function()
      folder = moonport:directory()
      folder:write("words.lua", "return { answer = 'one' }")
      path = folder:write("test.lua", requiring)
      server = moonport:serve({ path })
      peer = server:connect()
      assert.equal("one", ask(peer))
      folder:write("words.lua", "return { answer = 'two' }")
      assert_reloaded(2, "two")
      folder:write("words.lua", "return {")
      assert_kept("two", "words.lua:1: ")
      folder:write("words.lua", "return { answer = 'six' }")
      assert_reloaded(3, "six")
    end)

    it("is read again when one appears that was missing", function()
      serve_file(answering("one"))
      folder:write("test.lua", requiring)
      assert_kept("one", "module 'words' not found")
      folder:write("words.lua", "return { answer = 'two' }")
      assert_reloaded(2, "two")
    end)

    it("is read again when one appears that was missing, as a folder", function()
      serve_file(answering("one"))
      folder:write("test.lua", requiring)
      assert_kept("one", "module 'words' not found")
      folder:make("words")
      folder:write("words/init.lua", "return { answer = 'two' }")
      assert_reloaded(2, "two")
    end)

    it("is read again when one appears that comes before the one it has", function()
      folder = moonport:directory()
      folder:make("words")
      folder:write("words/init.lua", "return { answer = 'one' }")
      path = folder:write("test.lua", requiring)
      server = moonport:serve({ path })
      peer = server:connect()
      assert.equal("one", ask(peer))
      folder:write("words.lua", "return { answer = 'two' }")
      assert_reloaded(2, "two")
    end)
  end)

  describe("keeps its last good version while", function()
    before_each(function()
      serve_file(answering("one"))
      assert.equal("one", ask(peer))
    end)

    it("it is half written", function()
      local whole = answering("two")
      local file = assert(io.open(path, "wb"))
      assert(file:write(whole:sub(1, 40)))
      assert(file:flush())
      assert_kept("one", "test.lua:1: ")
      assert(file:write(whole:sub(41)))
      assert(file:close())
      assert_reloaded(2, "two")
    end)

    it("it is empty", function()
      folder:write("test.lua", "")
      assert_kept("one", "test.lua")
      folder:write("test.lua", answering("two"))
      assert_reloaded(2, "two")
    end)

    it("its file is gone", function()
      assert(uv.fs_rename(path, folder:join("away")))
      assert_kept("one", "test.lua cannot be read: No such file")
      assert(uv.fs_rename(folder:join("away"), path))
      assert_reloaded(2, "one")
    end)

    local odd = {
      ["a symbolic link that leads to itself"] = {
        make = function() assert(uv.fs_symlink("test.lua", path)) end,
        says = "cannot be read: Too many levels of symbolic links",
      },
      ["a symbolic link that leads nowhere"] = {
        make = function() assert(uv.fs_symlink("nowhere", path)) end,
        says = "cannot be read: No such file",
      },
      ["a FIFO"] = {
        make = function() assert.equal(0, shell.run({ "mkfifo", path }).code) end,
        says = "is a device, pipe or socket",
      },
      ["a device without end"] = {
        make = function() assert(uv.fs_symlink("/dev/zero", path)) end,
        says = "is a device, pipe or socket",
      },
      ["a file of 1 GB"] = {
        make = function()
          local file = assert(uv.fs_open(path, "w", tonumber("644", 8)))
          assert(uv.fs_ftruncate(file, 1024 * 1024 * 1024))
          uv.fs_close(file)
        end,
        says = "is larger than %d+ MiB",
      },
      ["a directory"] = {
        make = function() assert(uv.fs_mkdir(path, tonumber("755", 8))) end,
        unmake = function() assert(uv.fs_rmdir(path)) end,
        says = "is a directory",
      },
    }
    for name, case in pairs(odd) do
      it("in its place there is " .. name, function()
        local rss = server:rss()
        assert(uv.fs_rename(path, folder:join("away")))
        case.make()
        server:allow_log("cannot be read: No such file")
        assert_kept("one", case.says)
        assert.is_true(server:rss() - rss < 64 * 1024 * 1024, "memory was taken for it")
        if case.unmake then case.unmake() else assert(uv.fs_unlink(path)) end
        folder:write("test.lua", answering("two"))
        loop.eventually("the second answer", function() return ask(peer) == "two" end)
      end)
    end
  end)

  describe("of a user who may not read everything", function()
    local options
    before_each(function()
      local is_root = shell.run({ "id", "-u" }).stdout == "0\n"
      options = {
        prefix = is_root and { "setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups" }
          or {},
      }
    end)

    local function set_mode(what, mode) assert(uv.fs_chmod(what, tonumber(mode, 8))) end

    it("stays as it is while its file cannot be read", function()
      serve_file(answering("one"), options)
      local next_one = folder:write("next", answering("two"))
      set_mode(next_one, "000")
      assert(uv.fs_rename(next_one, path))
      assert_kept("one", "cannot be read: Permission denied")
      set_mode(path, "644")
      assert_reloaded(2, "two")
    end)

    it("stays as it is while its directory cannot be entered", function()
      serve_file(answering("one"), options)
      set_mode(folder.path, "000")
      assert_kept("one", "cannot be read: Permission denied")
      set_mode(folder.path, "755")
      assert_reloaded(2, "one")
      folder:write("test.lua", answering("two"))
      assert_reloaded(3, "two")
    end)

    it("loses none of a directory that cannot be listed", function()
      serve_directory({ ["a.lua"] = answering("one"), ["b.lua"] = answering("two") },
        { prefix = options.prefix, listeners = 2 })
      set_mode(folder.path, "311")
      server:signal("sighup")
      loop.wait_until("both to be read again", function()
        local _, count = server:log_text():gsub("version 2 is in force", "")
        return count == 2
      end)
      assert.equal("one", ask(peer))
      set_mode(folder.path, "755")
      folder:write("c.lua", answering("new"))
      server:wait_addresses(3)
      assert.equal("new", ask(server:connect({ address = server:address(3) })))
    end)
  end)

  it("is read again on request only, with --no-watch", function()
    serve_file(answering("one"), { control = true }, "--no-watch")
    folder:write("test.lua", answering("two"))
    loop.pass(1500) -- longer than every watch looks
    assert.equal("one", ask(peer))
    server:signal("sighup")
    assert_reloaded(2, "two")
    folder:write("test.lua", answering("six"))
    assert.equal(0, moonport:run({ "reload", "--control", server.control }).code)
    assert_reloaded(3, "six")
  end)

  it("is read again at SIGHUP, changed or not", function()
    serve_file(answering("one"))
    server:signal("sighup")
    assert_reloaded(2, "one")
  end)

  it("is read again by moonport reload, which tells what became of each", function()
    serve_directory({ ["a.lua"] = answering("one"), ["b.lua"] = answering("two") },
      { listeners = 2, control = true, env = { MOONPORT_NO_WATCH = "1" } })
    local a, b = folder:join("a.lua"), folder:join("b.lua")
    local function reload()
      return moonport:run({ "reload", "--control", server.control })
    end
    local result = reload()
    assert.equal(a .. ": reloaded, version 2 is in force\n" ..
      b .. ": reloaded, version 2 is in force\n", result.stdout)
    assert.equal(0, result.code)
    folder:write("b.lua", "return { on_data = 1 }")
    folder:write("c.lua", answering("new"))
    assert(uv.fs_unlink(a))
    server:allow_log("on_data")
    server:allow_log("not reloaded")
    result = reload()
    assert.equal(1, result.code)
    assert.matches(a .. ": removed", result.stdout, 1, true)
    assert.matches(b .. ": failed, version 2 is in force: ", result.stdout, 1, true)
    assert.matches(folder:join("c.lua") .. ": added, version 1 is in force\n", result.stdout, 1,
      true)
    assert.equal("one", ask(peer))
  end)

  local function threads_of(pid)
    local names = {}
    for name in uv.fs_scandir_next, assert(uv.fs_scandir("/proc/" .. pid .. "/task")) do
      names[#names + 1] = tonumber(name)
    end
    return names
  end

  -- A process with a second one pays for it at each system call.
  it("has no thread beside the loop's", function()
    serve_file(answering("one"))
    folder:write("test.lua", answering("two"))
    assert_reloaded(2, "two")
    loop.eventually("one thread", function() return #threads_of(server.process.pid) == 1 end)
  end)

  -- Row 26. Of a ramfs nobody knows that it answers at once. What strace holds up is the thread
  -- that asks it.
  it("holds up nobody on a file system that does not answer, and ends at SIGTERM", function()
    if not shell.has("strace") then pending("needs strace") return end
    folder = moonport:directory()
    local prefix = shell.words(shell.unshare("m"), "sh", "-c",
      'mount -t ramfs none "$0" && cp "$0.lua" "$0/test.lua" && exec "$@"', folder:join("far"))
    folder:write("far.lua", answering("one"))
    assert(uv.fs_mkdir(folder:join("far"), tonumber("755", 8)))
    if shell.run(shell.words(prefix, "true")).code ~= 0 then pending("cannot mount") return end
    path = folder:join("far/test.lua")
    server = moonport:serve({ path }, {
      prefix = prefix,
      env = { ASAN_OPTIONS = "detect_leaks=0" }, -- LeakSanitizer cannot work under ptrace
    })
    peer = server:connect()
    local pid = server.process.pid
    local function state_of(task)
      local status = io.open(("/proc/%d/task/%s/status"):format(pid, task))
      local text = status and status:read("a") or "" -- of one that has just ended
      if status then status:close() end
      return text:match("State:%s+(%a)")
    end
    local tracer = moonport:spawn({ "strace", "-qq", "-f", "-o", "/dev/null", "-P", path, "-e",
      "inject=%file:delay_enter=600000000", "-p", pid })
    local held = 0
    loop.eventually("the thread to hang", function()
      local is_held = false
      for _, task in ipairs(threads_of(pid)) do
        if task ~= pid and state_of(task) == "t" then is_held = true end
      end
      held = is_held and held + 1 or 0
      return held > 20
    end)
    local file = assert(io.open(("/proc/%d/root%s"):format(pid, path), "w"))
    assert(file:write(answering("two")))
    file:close()
    assert.equal("one", ask(peer))
    assert.equal("one", ask(server:connect()))
    server:close_clients()
    server:signal("sigterm")
    loop.eventually("the others to be gone", function() return state_of(pid) == "Z" end)
    tracer:signal("sigkill") -- who is traced is not gone before that
    assert.equal(0, server:wait())
  end)

  describe("and wants the port of another", function()
    local function listening_on(port, name)
      return (answering(name):gsub("listen = 0", "listen = " .. port))
    end

    it("is refused, and both are named", function()
      serve_directory({ ["a.lua"] = answering("one") }, { control = true })
      folder:write("b.lua", listening_on(server:port(), "two"))
      local record = server:expect_log("cannot listen on")
      assert.equal("b.lua", record.script)
      assert.matches(folder:join("a.lua"), record.message, 1, true)
      assert.matches("give one of them another port", record.message, 1, true)
      server:allow_log("not reloaded")
      assert.equal("one", ask(peer))
      assert.equal("failed", statuses()[2].state)
      folder:write("b.lua", answering("two"))
      server:wait_addresses(2)
      assert.equal("two", ask(server:connect({ address = server:address(2) })))
    end)

    it("gets it when that one gives it up", function()
      serve_directory({ ["a.lua"] = answering("one") })
      local address, port = server:address(), server:port()
      folder:write("b.lua", listening_on(port, "two"))
      server:expect_log("cannot listen on")
      folder:write("a.lua", (answering("one"):gsub("listen = 0", "listen = '127.0.0.1:0'")))
      server:wait_addresses(3)
      assert.equal("two", ask(server:connect({ address = address })))
      assert.equal("one", ask(peer))
    end)

    it("gets it when that one is removed", function()
      serve_directory({ ["a.lua"] = answering("one") })
      folder:write("b.lua", listening_on(server:port(), "two"))
      server:expect_log("cannot listen on")
      assert(uv.fs_unlink(folder:join("a.lua")))
      server:wait_addresses(2)
      assert.equal("two", ask(server:connect()))
      assert.equal("one", ask(peer))
    end)
  end)
end)
