-- sandbox_control_spec.lua — no script commands its own server — knows no command but two.

local control = require "tests.support.control"
local rig = require "tests.support.rig"
local supports = require "tests.support.supports"
local uv = require "luv"

-- Whoever has it commands every script of the server.
supports.describe("peer-credentials", "The control socket of its own server", function()
  local moonport = rig.new()
  local asks = [[
    local socket, task = require "moonport.socket", require "moonport.task"
    local pool = require "moonport.pool"
    local function ask(conn)
      conn:send('eval escape.lua "return 1"\n')
      print("> " .. tostring(conn:recv_line()))
      conn:close()
    end
    return { on_data = print, on_load = function()
      task.spawn(function()
        local conn
        %s
        ask(conn)
      end)
    end }
  ]]
  local connects = "conn = assert(socket.connect(%q))"

  local function assert_refused(started)
    local told = started:wait_told(1)
    assert.matches('"ok":false', told[1], 1, true)
    assert.matches("no commands from its own scripts", told[1], 1, true)
    assert.is_true(select(2, control.ask_once(started, "ping")).ok)
  end

  local spellings = {
    ["as it is"] = function(made) return "unix:" .. made:join("c.sock") end,
    ["with an authority"] = function(made) return "unix://" .. made:join("c.sock") end,
    ["from where it runs"] = function() return "unix:c.sock" end,
    ["with dots"] = function() return "unix:./../%s/./c.sock" end,
    ["with more slashes"] = function(made) return "unix:////" .. made:join("/c.sock") end,
    ["behind /proc/self/root"] = function(made)
      return "unix:/proc/self/root" .. made:join("c.sock")
    end,
    ["behind /proc/self/cwd"] = function() return "unix:/proc/self/cwd/c.sock" end,
    ["behind a symbolic link"] = function(made)
      assert(uv.fs_symlink("c.sock", made:join("l")))
      return "unix:" .. made:join("l")
    end,
    ["behind a link to its directory"] = function(made)
      assert(uv.fs_symlink(made.path, made:join("d")))
      return "unix:" .. made:join("d") .. "/d/c.sock"
    end,
  }
  for name, spell in pairs(spellings) do
    it("refuses a script that spells it " .. name, function()
      local made = moonport:directory()
      local address = spell(made):gsub("%%s", made.path:match("[^/]+$"))
      local path = made:write("escape.lua", asks:format(connects:format(address)))
      assert_refused(moonport:serve({ "--listen", "127.0.0.1:0", path },
        { control = made:join("c.sock"), cwd = made.path }))
    end)
  end

  local ways = {
    ["socket.unix()"] = "conn = socket.unix() assert(conn:connect(%q))",
    ["a pool"] = "conn = assert(pool.new('unix:' .. %q):get())",
  }
  for name, way in pairs(ways) do
    it("refuses a script that comes by " .. name, function()
      local made = moonport:directory()
      local path = made:write("escape.lua", asks:format(way:format(made:join("c.sock"))))
      assert_refused(moonport:serve({ "--listen", "127.0.0.1:0", path },
        { control = made:join("c.sock") }))
    end)
  end

  it("is out of reach of socket.tcp(), which takes no such address", function()
    local made = moonport:directory()
    local path = made:write("escape.lua", asks:format(([[
      conn = socket.tcp()
      do return print("> no way there: " .. select(2, conn:connect("unix:" .. %q))) end
    ]]):format(made:join("c.sock"))))
    local started = moonport:serve({ "--listen", "127.0.0.1:0", path },
      { control = made:join("c.sock") })
    assert.matches("^no way there: EINVAL", started:wait_told(1)[1])
  end)

  it("refuses a client that comes from one of its scripts by an abstract name", function()
    local name = "@moonport-sandbox-" .. math.tointeger(uv.os_getpid())
    local path = moonport:directory():write("escape.lua", asks:format(([[
      conn = assert(socket.connect(%q))
    ]]):format("unix:" .. name)))
    local started = moonport:serve({ "--listen", "127.0.0.1:0", path }, { control = name })
    assert.matches("takes no commands from its own scripts", started:wait_told(1)[1])
  end)

  it("refuses a client whose bytes a script forwards there", function()
    local made = moonport:directory()
    local path = made:write("escape.lua", ([[
      local socket = require "moonport.socket"
      return { on_open = function(conn)
        local other = assert(socket.connect(%q))
        other:forward(conn)
        conn:forward(other)
      end }
    ]]):format("unix:" .. made:join("c.sock")))
    local started = moonport:serve({ "--listen", "127.0.0.1:0", path },
      { control = made:join("c.sock") })
    local peer = started:connect()
    peer:send("ping\n")
    assert.matches("no commands from its own scripts", peer:receive_line(), 1, true)
  end)

  it("takes commands from a script with --unsafe", function()
    local made = moonport:directory()
    local path = made:write("escape.lua",
      asks:format(connects:format("unix:" .. made:join("c.sock"))))
    local started = moonport:serve({ "--unsafe", "--listen", "127.0.0.1:0", path },
      { control = made:join("c.sock") })
    assert.not_matches("no commands", started:wait_told(1)[1], 1, true)
  end)
end)
