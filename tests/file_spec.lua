-- file_spec.lua — moonport.file and conn:send_file: files beside the loop.

local program = require "tests.support.program"
local rig = require "tests.support.rig"
local shell = require "tests.support.shell"
local tls = require "tests.support.tls"

local prelude = [[
  local file = require "moonport.file"
  local directory = arg[1]
  local function path(name) return directory .. "/" .. name end
  -- What a call gives, without the directory.
  local function show(...)
    local words = table.pack(...)
    for index = 1, words.n do
      words[index] = tostring(words[index]):gsub(directory:gsub("%p", "%%%0"), "DIR")
    end
    print(table.concat(words, " | "))
  end
]]

describe("moonport.file", function()
  local moonport = rig.new()

  local function lines(code, directory, options)
    options = options or {}
    options.args = { (directory or moonport:directory()).path }
    return program.lines(moonport, prelude .. code, options)
  end

  it("reads, writes and adds to files, all bytes of them", function()
    local directory = moonport:directory()
    assert.same({ "true", "true", "hello\0\r", "world", "true | 3000000", "true", "0" }, lines([[
      show(file.write(path "a", "hello\0\r"))
      show(file.append(path "a", "\nworld"))
      show(file.read(path "a"))
      local large = ("0123456789"):rep(300000)
      show(file.write(path "b", large), #file.read(path "b"))
      show(file.read(path "b") == large)
      file.write(path "b", "")
      show(#file.read(path "b"))
    ]], directory))
    local written = assert(io.open(directory:join("a"), "rb"))
    assert.equal("hello\0\r\nworld", written:read("a"))
    written:close()
  end)

  it("says what is there", function()
    local directory = moonport:directory()
    directory:write("one", "12345")
    shell.run({ "mkdir", directory:join("two") })
    shell.run({ "chmod", "640", directory:join("one") })
    assert.same({ "file | 5 | 640 | true", "directory", "one two three", "0", "other" }, lines([[
      local one = file.stat(path "one")
      show(one.kind, one.size, ("%o"):format(one.mode), math.abs(one.modified - os.time()) < 100)
      show(file.stat(path "two").kind)
      file.append(path "three", "")
      local names = file.list(directory)
      table.sort(names, function(a, b) return #a < #b or #a == #b and a < b end)
      show(table.concat(names, " "))
      show(#file.list(path "two"))
      show(file.stat("/dev/null").kind)
    ]], directory))
  end)

  it("gives nil, code and detail for what cannot be done", function()
    local directory = moonport:directory()
    directory:write("one", "12345")
    shell.run({ "mkfifo", directory:join("pipe") })
    shell.run({ "ln", "-s", "nothing", directory:join("link") })
    assert.same({ "nil | ENOENT | DIR/none: no such file or directory",
      "nil | EISDIR | DIR: illegal operation on a directory",
      "nil | EFBIG | DIR/one: file too large", "12345",
      "nil | ENXIO | DIR/pipe: no such device or address",
      "nil | ENXIO | DIR/pipe: no such device or address",
      "nil | ENXIO | DIR/pipe: no such device or address",
      "nil | ELOOP | DIR/link: too many symbolic links encountered",
      "nil | ENOENT | DIR/none/file: no such file or directory",
      "nil | ENOTDIR | DIR/one: not a directory",
      "nil | EINVAL | the path contains a NUL byte" }, lines([[
      show(file.read(path "none"))
      show(file.read(directory))
      show(file.read(path "one", 4))
      show(file.read(path "one", 5))
      show(file.read(path "pipe"))
      show(file.open(path "pipe", "r"))
      show(file.write(path "pipe", "x"))
      show(file.write(path "link", "x"))
      show(file.write(path "none/file", "x"))
      show(file.list(path "one"))
      show(file.read(path "one" .. "\0"))
    ]], directory))
  end)

  -- A reader at any moment, and a machine that stops, find the old bytes or the new ones.
  it("writes whole files: the old one or the new one is there, with its rights", function()
    local directory = moonport:directory()
    directory:write("one", "old")
    shell.run({ "chmod", "600", directory:join("one") })
    shell.run({ "ln", "-s", "one", directory:join("link") })
    assert.same({ "0 torn", "new | 600", "one link" }, lines([[
      local done, torn = false, 0
      local writer = task.spawn(function()
        for round = 1, 40 do file.write(path "torn", tostring(round % 10):rep(200000)) end
        done = true
      end)
      while not done do
        local text = file.read(path "torn") or ""
        if text ~= text:sub(1, 1):rep(#text) or #text % 200000 ~= 0 then torn = torn + 1 end
      end
      writer:join()
      os.remove(path "torn")
      show(torn .. " torn")
      file.write(path "link", "new")
      show(file.read(path "one"), ("%o"):format(file.stat(path "one").mode))
      local names = file.list(directory)
      show(names[2] .. " " .. names[1])
    ]], directory))
    assert.equal("one", (shell.run({ "readlink", directory:join("link") }).stdout:gsub("\n", "")))
  end)

  it("reads an open file piece by piece, and what was written to it", function()
    assert.same({ "hello |  world | nil | eof", "true | nil | closed",
      "true | nil | EBADF | bad file descriptor", "true", "ab! | nil | eof",
      "nil | EBADF" }, lines [[
      file.write(path "a", "hello world")
      local f = file.open(path "a")
      show(f:read(5), f:read(), f:read())
      show(f:close(), f:read())
      local w <close> = file.open(path "b", "w")
      show(w:write("ab"), (w:read()), select(2, w:read()))
      local both <close> = file.open(path "b", "a+b")
      show(both:write("!"))
      show(file.read(path "b"), both:read())
      show(select(1, file.open(path "a"):write("x")), (select(2, file.open(path "a"):write("x"))))
    ]])
  end)

  it("lets others go on while a disk works, and belongs to one coroutine at a time", function()
    assert.same({ "true", "false | true", "true | true", "20000000", "nothing open" }, lines [[
      local turns, finished = 0, false
      local ticker = task.spawn(function()
        while not finished do
          turns = turns + 1
          timer.sleep(0)
        end
      end)
      file.write(path "a", ("x"):rep(20000000))
      finished = true
      ticker:join()
      show(turns > 1)
      local f = file.open(path "b", "w")
      local writer = task.spawn(f.write, f, ("y"):rep(20000000))
      turn()
      local ok, message = pcall(f.write, f, "z")
      show(ok, message:find("another coroutine already waits for this file", 1, true) ~= nil)
      f:close() -- the write goes on to its end
      show(writer:join())
      show(file.stat(path "b").size)
      -- A coroutine that is cancelled leaves nothing behind.
      local g = file.open(path "c", "w")
      local left = task.spawn(g.write, g, ("z"):rep(5000000))
      turn()
      left:cancel()
      g, left = nil, nil
      while file.stat(path "c").size < 5000000 do timer.sleep(0.01) end
      local open = true
      while open do
        timer.sleep(0.01)
        collectgarbage()
        open = false
        for _, fd in ipairs(file.list("/proc/self/fd")) do
          local stat = file.stat("/proc/self/fd/" .. fd)
          if stat and stat.kind == "file" and stat.size == 5000000 then open = true end
        end
      end
      show("nothing open")
    ]])
  end)

  it("is allowed what io.open is", function()
    local directory = moonport:directory()
    directory:make("in")
    directory:make("script")
    directory:write("in/x", "inside")
    local script = directory:write("script/s.lua", ([[
      local file = require "moonport.file"
      return { on_data = function(conn)
        local function tell(value, code, detail)
          conn:send(("%%s %%s %%s\n"):format(value, code, detail))
        end
        tell(file.read("DIR/in/x"))
        tell(file.read("DIR/script/s.lua") ~= nil)
        tell(file.read("/etc/hostname"))
        tell(file.list("/etc"))
        tell(file.stat("/etc/../etc"))
        tell(file.write("DIR/script/s.lua", "x"))
        tell(file.write("DIR/in/y", "y"))
        tell(conn:send_file("/etc/hostname"))
        tell(file.read("/proc/self/mem"))
        conn:close()
      end }
    ]]):gsub("DIR", directory.path):gsub("%%%%", "%%"))
    local server = moonport:serve({ "--listen", "127.0.0.1:0", "--allow", "io=" ..
      directory:join("in"), script })
    local peer = server:connect()
    peer:send("x")
    local told = peer:receive_all()
    for _, expected in ipairs {
      "inside nil nil\ntrue nil nil\n",
      'nil EACCES file.read("/etc/hostname") is not allowed here: start with --allow io=/etc\n',
      'nil EACCES file.list("/etc") is not allowed here: start with --allow io=/\n',
      'nil EACCES file.stat("/etc/../etc") is not allowed here: start with --allow io=/\n',
      ('nil EACCES file.write("%s") is not allowed here: start with --allow io='):format(script),
      "true nil nil\n",
      'nil EACCES conn:send_file("/etc/hostname") is not allowed here: start with --allow io=',
      "is not allowed here: it is the memory of a process\n",
    } do
      assert.is_truthy(told:find(expected, 1, true), expected .. "\nin\n" .. told)
    end
  end)

  it("works in moonport.test, in simulated time", function()
    local directory = moonport:directory()
    directory:write("x", "0123456789")
    directory:write("s.lua", ([[
      local file = require "moonport.file"
      return { on_data = function(conn, data)
        file.append("DIR/x", data)
        conn:send_file("DIR/x")
        conn:send(" " .. #file.read("DIR/x"))
      end }
    ]]):gsub("DIR", directory.path))
    assert.same({ "0123456789abc 13" }, lines([[
      local script = require("moonport.test").load(directory .. "/s.lua")
      local peer = script:connect()
      peer:send("abc")
      print(peer:read())
    ]], directory))
  end)
end)

describe("conn:send_file", function()
  local moonport = rig.new()

  -- Sends what its peer names: PATH FROM SIZE. Told "wait N", it waits until N peers take no more.
  local script = [[
    local server = require "moonport.server"
    local timer = require "moonport.timer"
    local function number(word) return word ~= "-" and math.tointeger(word) or nil end
    local function wait_for(count)
      repeat
        timer.sleep(0.01)
        local stuck = 0
        for _, each in ipairs(server.connections()) do
          if each:stats().queue > 0 then stuck = stuck + 1 end
        end
      until stuck == count
      print("> stuck")
    end
    return { TLS
      frame = "line", on_message = function(conn, line)
        local count = line:match("^wait (%d+)$")
        if count then return wait_for(tonumber(count)) end
        local path, from, size = line:match("^(%S+) (%S+) (%S+)$")
        local sent, code, detail = conn:send_file(path, number(from), number(size))
        print("> " .. tostring(sent) .. " " .. tostring(code) .. " " .. tostring(detail))
        conn:close()
      end }
  ]]

  local function start(options)
    return moonport:start((script:gsub("TLS", options and options.tls or "")), options)
  end

  local function get(server, request)
    local peer = server:connect()
    peer:send(request .. "\n")
    return peer:receive_all()
  end

  it("sends a file, or a part of it", function()
    local directory = moonport:directory()
    local large = {}
    for index = 1, 300000 do large[index] = ("%07d "):format(index) end
    large = table.concat(large)
    local path = directory:write("large", large)
    local empty = directory:write("empty", "")
    local server = start()
    assert.is_true(get(server, path .. " - -") == large)
    assert.equal("0000002 ", get(server, path .. " 8 8"))
    assert.is_true(get(server, path .. " 100000 2000000") == large:sub(100001, 2100000))
    assert.equal(large:sub(-8), get(server, path .. (" %d -"):format(#large - 8)))
    assert.equal("", get(server, path .. (" %d -"):format(#large)))
    assert.equal("", get(server, empty .. " - -"))
    assert.equal("", get(server, path .. " 1 2400000"))
    assert.equal("", get(server, directory:join("none") .. " - -"))
    for _, expected in ipairs { "2400000 nil nil", "8 nil nil", "2000000 nil nil", "8 nil nil",
      "0 nil nil", "0 nil nil", "nil EINVAL " .. path .. ": it has 2400000 bytes",
      "nil ENOENT " .. directory:join("none") .. ": no such file or directory" } do
      server:wait_told(expected)
    end
  end)

  it("sends one over TLS", function()
    local directory = moonport:directory()
    local certificate, key = tls.certificate(directory, "localhost")
    local path = directory:write("large", ("0123456789"):rep(200000))
    local server = start({ args = { "--listen", "tls://127.0.0.1:0" },
      tls = ("tls = { cert = %q, key = %q },"):format(certificate, key) })
    assert.same({ "2000000 True" }, tls.python(server:port(), certificate, ([[
conn = connect()
conn.sendall(b"%s - -\n")
got = recv_all(conn)
print(len(got), got == b"0123456789" * 200000)
]]):format(path)))
  end)

  -- 300 MB to a peer that does not read: a piece or two of it are in memory, and when the peer goes
  -- away the handler is told.
  it("keeps to what the peer takes", function()
    local directory = moonport:directory()
    local path = directory:join("huge")
    shell.run({ "truncate", "-s", "300M", path })
    local server = start()
    local peers, before = {}, server:rss()
    for index = 1, 5 do
      peers[index] = server:connect()
      peers[index]:send(path .. " - -\n")
    end
    server:connect():send("wait 5\n")
    server:wait_told("stuck")
    assert.is_true(server:rss() - before < 60e6)
    for _, peer in ipairs(peers) do peer:reset() end
    server:wait_told(6)
    assert.same({ "stuck", "nil closed nil", "nil closed nil", "nil closed nil", "nil closed nil",
      "nil closed nil" }, server:told())
  end)

  it("tells of a file that becomes shorter while it is sent", function()
    local directory = moonport:directory()
    local path = directory:join("huge")
    shell.run({ "truncate", "-s", "100M", path })
    local server = start()
    local peer = server:connect()
    peer:send(path .. " - -\n")
    server:connect():send("wait 1\n")
    server:wait_told("stuck")
    shell.run({ "truncate", "-s", "1000", path })
    local got = #peer:receive_all()
    assert.is_true(got < 100e6)
    server:wait_told(("nil truncated %s: it has become shorter, and %d bytes of it were sent")
      :format(path, got))
  end)
end)
