-- moonport.lesson.peer — a client that the judge plays against a learner's script, and tells what
-- it does — knows no script.

local socket = require "moonport.socket"
local timer = require "moonport.timer"
local words = require "moonport.lesson.words"

local WAIT_S = 5
local SHOWN_BYTES = 40

---@class moonport.lesson.Peer
---@field conn moonport.Conn
---@field address string its own: "127.0.0.1:50123"
---@field name string "client 1"
---@field ended "eof"|"reset"|nil how the other side ended its stream
---@field received string all that it has received
---@field private tell fun(step: table, ...: any)
---@field private lang string
local Peer = {}
Peer.__index = Peer

local M = { wait_s = WAIT_S }

local ESCAPES = { ["\n"] = "\\n", ["\r"] = "\\r", ["\t"] = "\\t", ['"'] = '\\"', ["\\"] = "\\\\" }

---Bytes as they may be shown: "hello\n"; of many the beginning.
function M.quoted(bytes)
  local text = bytes:sub(1, SHOWN_BYTES):gsub('[%c"\\\127-\255]', function(byte)
    return ESCAPES[byte] or ("\\x%02X"):format(byte:byte())
  end)
  return ('"%s%s"'):format(text, #bytes > SHOWN_BYTES and "..." or "")
end

local function counted(bytes, lang)
  local quoted = M.quoted(bytes)
  if #bytes == 1 then return words.say(words.nouns.byte, lang, quoted) end
  return words.say(words.nouns.bytes, lang, #bytes, quoted)
end

-- In place of a connection that was broken off before we were told that it is there: a busy machine
-- tells both at once, and then connecting fails.
local function fail_as_reset() return nil, "reset" end
local GONE = setmetatable({ sock = "" }, { __index = function() return fail_as_reset end })

---Connects.
---@param address string
---@param options { name: string, tell: function, lang: string, timeout: number? }
---@return moonport.lesson.Peer?
---@return string? code
function M.connect(address, options)
  local conn, code = socket.connect(address, { timeout = options.timeout or WAIT_S })
  if code == "ECONNRESET" then conn = GONE end
  if not conn then return nil, code end
  options.tell(words.steps.connect, options.name)
  return setmetatable({ conn = conn, address = conn.sock, name = options.name,
    tell = options.tell, lang = options.lang, received = "" }, Peer)
end

-- Tells what a receiving call gave, and notes how the stream ended.
local function took(self, bytes, code, seconds)
  if bytes and bytes ~= "" then
    self.received = self.received .. bytes
    self.tell(words.steps.receive, self.name, counted(bytes, self.lang))
  end
  if code == "eof" or code == "reset" then
    if self.ended ~= code then self.tell(words.steps[code], self.name) end
    self.ended = code
  elseif code == "timeout" and (bytes or "") == "" then
    self.tell(words.steps.nothing, self.name, seconds)
  end
end

---Sends bytes, and waits until the kernel has them; for no longer than a few seconds, so a script
---that does not read holds nobody up.
---@return boolean sent all of them
function Peer:send(bytes)
  self.tell(words.steps.send, self.name, counted(bytes, self.lang))
  self.conn:send(bytes)
  self.conn:settimeout(WAIT_S)
  return self.conn:drain() == true
end

---Receives exactly `count` bytes, or what had come when the time was over or the stream ended.
---@param count integer
---@param seconds number? 5
---@return string bytes
---@return "timeout"|"eof"|"reset"|nil code why they are fewer
function Peer:read(count, seconds)
  seconds = seconds or WAIT_S
  self.conn:settimeout(seconds)
  local bytes, code, partial = self.conn:recv_exactly(count)
  bytes = bytes or partial or ""
  took(self, bytes, code, seconds)
  return bytes, code
end

---Receives a line, without its end.
---@param seconds number? 5
---@return string? line
---@return "timeout"|"eof"|"reset"|"limit"|nil code
---@return string? partial what had come
function Peer:read_line(seconds)
  seconds = seconds or WAIT_S
  self.conn:settimeout(seconds)
  local line, code, partial = self.conn:recv_line()
  took(self, line and line .. "\n" or partial, code, seconds)
  return line, code, partial
end

---Receives until the stream ends, or the time is over.
---@param seconds number? 5
---@return string bytes
---@return "timeout"|"eof"|"reset" code
function Peer:read_all(seconds)
  seconds = seconds or WAIT_S
  local ends, pieces = timer.now() + seconds, {}
  local data, code
  repeat
    self.conn:settimeout(math.max(ends - timer.now(), 0.001))
    data, code = self.conn:recv()
    pieces[#pieces + 1] = data
  until not data
  local bytes = table.concat(pieces)
  took(self, bytes, code, seconds)
  return bytes, code
end

---What comes within a time in which nothing should come.
---@param seconds number
---@return string bytes "" where nothing came
function Peer:read_more(seconds)
  self.conn:settimeout(seconds)
  local bytes, code = self.conn:recv()
  took(self, bytes, code, seconds)
  return bytes or ""
end

---Does nothing, and reads nothing, for a time.
---@param seconds number
function Peer:idle(seconds)
  self.tell(words.steps.idle, self.name, seconds)
  timer.sleep(seconds)
end

---Sends FIN.
function Peer:shutdown()
  self.tell(words.steps.shutdown, self.name)
  self.conn:shutdown()
end

---Sends RST.
function Peer:reset()
  self.tell(words.steps.abort, self.name)
  self.conn:reset()
end

function Peer:close()
  self.tell(words.steps.close, self.name)
  self.conn:close()
end

return M
