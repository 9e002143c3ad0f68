-- moonport.control — a running server asked over its control socket: commands out, JSON lines in —
-- knows no command. What each call takes and returns is told in lua/meta/control.lua.

local calls = require "moonport.calls"
local core = require "moonport.control.core"
local called = require "moonport.show.server"
local json = require "moonport.json"
local timer = require "moonport.timer"

-- A line beyond it is none of a moonport server, an answer beyond it has no end.
local LINE_BYTES_MAX = 4 * 1024 * 1024
local ANSWER_BYTES_MAX = 64 * 1024 * 1024
local TIMEOUT_S = 10
local BUSY_S = 0.02 -- between two tries, while the server has more to accept than it may keep

local Client = { __name = "moonport.control" }
Client.__index = Client

local M = {}

function M.quote(word)
  calls.check(word, 1, "quote", "string", "number")
  return core.quote(word)
end

function M.connect(path, options)
  calls.check(path, 1, "connect", "string", "nil")
  if options ~= nil and type(options) ~= "table" then
    calls.refuse("control.connect takes a path and a table of options, such as { timeout = 5 }")
  end
  for name in pairs(options or {}) do
    if name ~= "timeout" then
      calls.refuse(("unknown option '%s' of control.connect (known: timeout)"):format(
        tostring(name)))
    end
  end
  local timeout = options and options.timeout or TIMEOUT_S
  if type(timeout) ~= "number" or timeout < 0 then
    calls.refuse("bad option 'timeout' of control.connect (seconds expected)")
  end
  local address, fault = core.address(path)
  if not address then return nil, fault end
  local give_up = timer.now() + timeout
  local conn, pid, is_busy
  repeat
    if is_busy then timer.sleep(BUSY_S) end
    conn, pid, is_busy = core.connect(address, path ~= nil)
  until not is_busy or timer.now() >= give_up
  if not conn then return nil, pid end
  conn:settimeout(timeout)
  return setmetatable({ conn = conn, pid = pid, path = address, timeout = timeout }, Client)
end

local function no_answer(text)
  return ("this is no answer of a moonport server: %s"):format(text:sub(1, 200))
end

-- What it means that a line did not come.
local function explain(self, code, partial)
  if code == "timeout" then
    return ("%s did not answer within %.3g s: a handler may keep it busy; " ..
      "--timeout waits longer"):format(called(self.pid), self.timeout)
  elseif code == "limit" then
    return no_answer(partial or self.conn:recv(200) or "")
  end
  return called(self.pid) .. " hung up before it had answered"
end

-- The next line as an object, and as it is; or nil and a message.
local function read(self)
  local text, code, partial = self.conn:recv_line(LINE_BYTES_MAX)
  if not text then return nil, explain(self, code, partial) end
  local object = text:find("^%s*{") and json.decode(text)
  if not object then return nil, no_answer(text) end
  return object, text
end

-- A server that refuses us says why before it hangs up: whether all went out does not matter.
local function send(self, command)
  if type(command) == "table" then
    local words = {}
    for index, word in ipairs(command) do words[index] = M.quote(word) end
    command = table.concat(words, " ")
  end
  self.conn:send(command .. "\n")
end

function Client:ask(command, on_line)
  calls.check(command, 1, "ask", "string", "table")
  calls.check(on_line, 2, "ask", "function", "nil")
  local answer, bytes = { lines = {}, texts = {}, pid = self.pid }, 0
  send(self, command)
  while true do
    local object, text = read(self)
    if not object then return nil, text end
    if on_line then on_line(text) end
    if type(object.ok) == "boolean" then
      answer.last = object
      return answer
    end
    bytes = bytes + #text
    if bytes > ANSWER_BYTES_MAX then
      return nil, ("the answer of %s does not end: 64 MiB came"):format(called(self.pid))
    end
    table.insert(answer.lines, object)
    table.insert(answer.texts, text)
  end
end

function Client:stream(command)
  calls.check(command, 1, "stream", "string", "table")
  send(self, command)
  local first, text = read(self)
  if not first then return nil, text end
  if first.ok ~= true then
    return nil, type(first.error) == "string" and first.error or no_answer(text)
  end
  self.answer, self.answer_text = first, text
  self.conn:settimeout(nil)
  return function()
    local line, code, partial = self.conn:recv_line(LINE_BYTES_MAX)
    if self.closed then return nil end
    if not line and code ~= "limit" then
      return nil, called(self.pid) .. " has ended", true
    end
    line = line or partial or self.conn:recv(200) or ""
    local event = line:find("^%s*{") and json.decode(line)
    if event then return event, line end
    return nil, ("this is no event of a moonport server: %s"):format(line:sub(1, 200))
  end
end

function Client:close()
  self.closed = true
  self.conn:reset()
end
Client.__close = Client.close

calls.by_colon(Client, "client")
calls.by_dot(M, "control")
return M
