-- moonport.test.receive — recv, recv_exactly, recv_line, recv_until, recv_message: bytes for a
-- handler that waits, as src/api/conn_recv.c.
--
-- Each is the same loop: look whether what has arrived is enough; if not, wait and look again.

local check = require "moonport.test.check"
local messages = require "moonport.test.messages"

local RECV_BYTES_DEFAULT = 65536

-- Levels for error(): all calls from the script's line to receive() are tail calls, which leave no
-- level behind.
local SCRIPT = 2

-- Why no more bytes will come, or nil.
local function end_code(self)
  if not self.wire or self.wire:is_closing() then
    return self.past and self.past.reason == "reset" and "reset" or "closed"
  end
  if self.wire.eof_seen then return "eof" end
  return self.inbox.reader.timed_out and "timeout" or nil
end

-- Calls `take`, which returns the results, or nothing for "not enough yet", until there are some.
local function receive(self, take, any)
  if not self.wire and not self.inbox then return nil, self.was_reset and "reset" or "closed" end
  local inbox = self:need_inbox()
  local reader = inbox.reader
  if reader:pending() then
    error("another coroutine already reads from this connection", SCRIPT)
  end
  self.runtime.tasks:check_can_wait(SCRIPT)
  reader.timed_out = false
  while true do
    local results = table.pack(take(inbox))
    -- Any bytes are no whole message where on_data got the ones before.
    local greets = results[1] ~= nil and not (any and self.handler == "on_data")
    if greets and self.wire then self.wire:greet() end
    if results.n > 0 then return table.unpack(results, 1, results.n) end
    local code = end_code(self)
    if code then
      if inbox:size() == 0 then return nil, code end
      return nil, code, inbox:take(inbox:size())
    end
    reader:begin(inbox.timeout_ms, "a read from this connection", SCRIPT)
    self:update_hold()
    self.runtime.tasks:wait()
    if not self.inbox then return nil, "closed" end -- closed, and forgotten, while it waited
  end
end

-- Up to `separator`, of at most `max` bytes; `trims`: a CR before it belongs to it.
local function take_until(inbox, separator, trims, max)
  local from = inbox.at
  local first = inbox.bytes:find(separator, from, true)
  if not first then
    local undecided = #separator - 1 + (trims and 1 or 0) -- may still belong to it
    if inbox:size() > max + undecided then return nil, "limit" end
    return
  end
  local length = first - from
  local consumed = length + #separator
  if trims and length > 0 and inbox.bytes:byte(first - 1) == 13 then length = length - 1 end
  if length > max then return nil, "limit" end
  local bytes = inbox:peek(length)
  inbox:consume(consumed)
  return bytes
end

local function message_max(self) return self.runtime:version_running().service.message end

local function limit_of(self, index, name, given)
  local max = given
  if max == nil then max = message_max(self) end
  if max <= 0 then
    error(("bad argument #%d to '%s' (must be 1 or more bytes)"):format(index, name), SCRIPT + 1)
  end
  return max
end

local takers = {}

function takers.recv(self, max)
  local most = limit_of(self, 1, "recv", check.integer(1, "recv", max, RECV_BYTES_DEFAULT))
  return receive(self, function(inbox)
    if inbox:size() > 0 then return inbox:take(math.min(inbox:size(), most)) end
  end, true)
end

function takers.recv_exactly(self, size)
  local wanted = check.integer(1, "recv_exactly", size)
  if wanted < 0 or wanted > message_max(self) then
    error(("bad argument #1 to 'recv_exactly' (%s)"):format(
      wanted < 0 and "must be 0 or more bytes" or "is more than limits.message"), SCRIPT)
  end
  return receive(self, function(inbox)
    if inbox:size() >= wanted then return inbox:take(wanted) end
  end)
end

function takers.recv_line(self, max)
  local default = message_max(self)
  local most = limit_of(self, 1, "recv_line", check.integer(1, "recv_line", max, default))
  return receive(self, function(inbox) return take_until(inbox, "\n", true, most) end)
end

function takers.recv_until(self, separator, max)
  local text = check.text(1, "recv_until", separator)
  if text == "" then error("bad argument #1 to 'recv_until' (must not be empty)", SCRIPT) end
  local default = message_max(self)
  local most = limit_of(self, 2, "recv_until", check.integer(2, "recv_until", max, default))
  return receive(self, function(inbox) return take_until(inbox, text, false, most) end)
end

function takers.recv_message(self, frame)
  local format = messages.format_of(self.runtime, 1, "recv_message", frame)
  return receive(self, function(inbox)
    return messages.take(inbox, format, message_max(self))
  end)
end

return takers
