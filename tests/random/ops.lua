-- ops.lua — bytes as calls of the API, one after the other; required by service.lua — decides
-- nothing by itself: who sends the bytes does.
--
-- What must always be is asserted here and by service.lua, and told as a log line that begins with
-- BROKEN. What a call returns is not: at any moment a connection may have ended.

local frame = require "moonport.frame"
local json = require "moonport.json"
local log = require "moonport.log"
local server = require "moonport.server"
local socket = require "moonport.socket"
local task = require "moonport.task"
local timer = require "moonport.timer"

local SHORT = 0.002 -- seconds; for all that waits
local SPAWNED_MAX = 40 -- timers and tasks under way, so that they do not grow without end

local M = { ran = 0 }

function M.broken(format, ...) log.error("BROKEN: " .. format, ...) end

-- A result is values, or nil and a code; anything else is a fault of the API.
local function check(name, first, code)
  if first == nil and type(code) ~= "string" then
    M.broken("%s returned nil and %s", name, tostring(code))
  end
  return first, code
end

local under_way = 0

local function limited(f)
  if under_way >= SPAWNED_MAX then return nil end
  under_way = under_way + 1
  return function(...)
    local _ <close> = setmetatable({}, { __close = function() under_way = under_way - 1 end })
    return f(...)
  end
end

local function any_other(conn, take)
  local list = server.connections()
  return list[take() % math.max(#list, 1) + 1] or conn
end

local function call(conn, name, ...) return check(name, conn[name](conn, ...)) end

-- Misuse raises, in whatever state the connection is, and changes nothing.
local function misuse(conn, name, ...)
  local taken, _, code = pcall(conn[name], conn, ...)
  if taken and code ~= "closed" then M.broken("%s took what is misuse", name) end
end

local options = { "nodelay", "keepalive", "reuseaddr", "rcvbuf", "sndbuf", "ttl", "linger" }

-- Each is (conn, take), where take() gives the next byte, or 0 behind the last.
local ops = {
  function(conn, take) call(conn, "send", ("s"):rep(take())) end,
  function(conn, take) call(conn, "send", { "a", 1, ("b"):rep(take()), "" }) end,
  function(conn, take) call(conn, "send", ("B"):rep(take() * 700)) end,
  function(conn) call(conn, "close") end,
  function(conn) call(conn, "reset") end,
  function(conn) call(conn, "shutdown") end,
  function(conn) call(conn, "pause") end,
  function(conn) call(conn, "resume") end,
  function(conn, take) pcall(conn.forward, conn, any_other(conn, take)) end,
  function(conn, take) call(any_other(conn, take), "close") end,
  function(conn, take) call(any_other(conn, take), "reset") end,
  function(conn, take) call(any_other(conn, take), "send", "other") end,
  function(conn, take) call(any_other(conn, take), "resume") end,
  function(conn, take) server.broadcast(("c"):rep(take()), take() > 128 and conn or nil) end,
  function(conn)
    conn:settimeout(SHORT)
    check("recv", conn:recv())
  end,
  function(conn, take)
    conn:settimeout(SHORT)
    check("recv_exactly", conn:recv_exactly(1 + take()))
  end,
  function(conn)
    conn:settimeout(SHORT)
    check("recv_line", conn:recv_line())
  end,
  function(conn, take)
    conn:settimeout(SHORT)
    check("recv_until", conn:recv_until(string.char(take()), 100))
  end,
  function(conn)
    conn:settimeout(SHORT)
    check("recv_message", conn:recv_message("netstring"))
  end,
  function(conn) call(conn, "send_message", "message", "netstring") end,
  function(conn)
    conn:settimeout(SHORT)
    check("drain", conn:drain())
  end,
  function() timer.sleep(SHORT) end,
  function() timer.sleep(0) end,
  function() error("asked for", 0) end,
  function() error({}) end,
  function() error(nil) end,
  function() error(setmetatable({}, { __tostring = function() error("again") end })) end,
  function(conn, take)
    local f = limited(function() M.run(conn, take) end)
    if f then timer.after(take() / 50000, f) end
  end,
  function(conn, take)
    local f = limited(function() M.run(conn, take) end)
    if f then conn.spawned = task.spawn(f) end
  end,
  function(conn) if conn.spawned then conn.spawned:join(SHORT) end end,
  function(conn) if conn.spawned then conn.spawned:cancel() end end,
  function(conn)
    local every
    every = timer.every(0.001, function()
      every:cancel()
      if every:cancel() then M.broken("a timer could be cancelled twice") end
    end)
    if conn.timer then conn.timer:cancel() end
    conn.timer = timer.after(5, function() end)
  end,
  function(conn) -- a wait inside of a coroutine of the script's own
    coroutine.wrap(function()
      conn:settimeout(SHORT)
      conn:recv(1)
    end)()
  end,
  function(conn) -- one that is left behind
    local co = coroutine.create(function() coroutine.yield(conn) end)
    coroutine.resume(co)
    coroutine.close(co)
    if coroutine.resume(co) then M.broken("a closed coroutine ran") end
  end,
  function(conn) -- no wait across a C function
    local ok = pcall(string.gsub, "x", "x", function() timer.sleep(SHORT) end)
    if ok then M.broken("a wait passed through gsub") end
    conn.field = (conn.field or 0) + 1
  end,
  function(conn, take)
    conn.field = take()
    conn.listed = { conn }
    if pcall(function() conn.peer = 1 end) then M.broken("peer could be set") end
  end,
  function(conn)
    local stats = conn:stats()
    if stats.bytes_in < 0 or stats.bytes_out < 0 then M.broken("stats below nothing") end
    for _, name in ipairs({ "id", "peer", "peer_ip", "peer_port", "sock", "listener", "state" }) do
      local value = conn[name] -- some are nil when the socket is gone
      if name == "id" and math.type(value) ~= "integer" then M.broken("a connection without id") end
    end
  end,
  function(conn, take)
    local name, value = options[take() % #options + 1], take()
    -- More seconds than 0 would have close(2) wait, and the loop with it.
    if name == "linger" then value = value < 128 and 0 or false end
    check("getoption", conn:getoption(name))
    check("setoption", conn:setoption(name, value))
  end,
  function(conn) misuse(conn, "send") end,
  function(conn) misuse(conn, "send", { "x", print }) end,
  function(conn) misuse(conn, "recv_exactly", -1) end,
  function(conn) misuse(conn, "setoption", "no such option", 1) end,
  function() collectgarbage("step", 50) end,
  function() collectgarbage() end,
  function()
    local stats = server.stats()
    if #server.connections() > stats.connections then M.broken("too many connections") end
  end,
  function(_, take)
    local where = M.address:find("^unix:") and M.address or "tcp://" .. M.address
    local peer <close> = socket.connect(where, { timeout = 0.2 })
    if not peer then return end
    peer:settimeout(0.05)
    peer:send("\0\1") -- a call that answers; one that connects would breed
    if take() < 128 then check("recv", peer:recv()) end
    if take() < 64 then peer:reset() end
  end,
  function()
    local udp <close> = socket.udp()
    udp:bind("127.0.0.1", 0)
    udp:settimeout(SHORT)
    udp:sendto("x", udp:getsockname())
    check("recvfrom", udp:recvfrom())
  end,
  function()
    local listener <close> = socket.tcp()
    listener:bind("127.0.0.1", 0)
    listener:listen(1)
    listener:settimeout(SHORT)
    check("accept", listener:accept())
  end,
  function() check("resolve", socket.resolve("127.0.0.1", 1)) end,
  function()
    local format = frame.new("netstring")
    local messages = format:split(format:wrap("hello"))
    if messages[1] ~= "hello" then M.broken("a message came back otherwise") end
  end,
  function(_, take)
    local value = { take(), { text = "hello" }, json.array(), json.null }
    local again = json.decode(json.encode(value) or "")
    if not again or again[2].text ~= "hello" or #again ~= 4 then
      M.broken("JSON came back otherwise")
    end
    local bytes = {}
    for index = 1, take() % 32 do bytes[index] = string.char(take()) end
    local read = check("decode", json.decode(table.concat(bytes)))
    if read ~= nil and json.decode(json.encode(read)) == nil then
      M.broken("what was read has no form in JSON")
    end
  end,
  function(conn) -- a finalizer that uses the connection
    setmetatable({}, { __gc = function() pcall(conn.send, conn, "gc") end })
  end,
  function(conn, take) M.kept = take() < 64 and conn or nil end,
  function() if M.kept then check("send", M.kept:send("kept")) end end,
}
M.count = #ops

---Runs the calls that the bytes of take() stand for, until there is no byte, or one of them raises.
function M.run(conn, take)
  for byte in function() return take(true) end do
    M.ran = M.ran + 1
    ops[byte % #ops + 1](conn, take)
  end
end

---A function that gives the bytes of `data`, one a call: 0 behind the last, or nil for take(true).
function M.taker(data)
  local at = 0
  return function(first)
    at = at + 1
    return data:byte(at) or not first and 0 or nil
  end
end

return M
