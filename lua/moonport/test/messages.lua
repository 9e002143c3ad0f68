-- moonport.test.messages — whole messages, cut by the server's own splitter: on_message,
-- recv_message, send_message, as src/api/conn_message.c.

local core = require "moonport.test.core"

local messages = {}

local function next_message(inbox, format, max)
  return core.next_message(format, max, inbox.bytes, inbox.at)
end

---Whether a message, or what is none, has come.
function messages.ready(service, inbox)
  if inbox:size() == 0 then return false end
  local message, code = next_message(inbox, service.frame, service.message)
  return message ~= nil or code ~= "more"
end

-- A tail call, so that a traceback names the handler by its place, as that of the server does.
local function call(handler, ...) return handler(...) end

---Handles messages until the bytes are used up. Runs in the handler's task. After a reload during a
---wait, the rest is for the version that has the connection now.
function messages.handle(runtime, self)
  local version, inbox = self.group.version, self.inbox
  local service = version.service
  while self.wire and not self.wire:is_closing() and self.group.version == version do
    local message, next_at, prefix = next_message(inbox, service.frame, service.message)
    if not message then
      if next_at == "more" then break end
      runtime:write_log("warn", "closing the connection: " .. prefix, self.id)
      self.wire:close(next_at == "limit" and "limit" or "error")
      break
    end
    self.wire:greet()
    inbox:consume(next_at - inbox.at)
    if prefix then
      call(service.handlers.on_message, self.object, message, prefix)
    else
      call(service.handlers.on_message, self.object, message)
    end
  end
end

---For recv_message: what it returns, or nothing while there is not enough.
function messages.take(inbox, format, max)
  local message, next_at, prefix = next_message(inbox, format, max)
  if message then
    inbox:consume(next_at - inbox.at)
    if prefix then return message, prefix end
    return message
  end
  if next_at ~= "more" then return nil, next_at, prefix end
end

---The format that a caller gave, or without one the service's. Raises in the script's line.
function messages.format_of(runtime, index, name, given)
  local format = given
  if format == nil then format = runtime:version_running().service.frame end
  local fault = format == nil and 'the service has no frame: give one, such as "line"'
    or given ~= nil and core.frame_fault(given)
  if fault then error(("bad argument #%d to '%s' (%s)"):format(index, name, fault), 3) end
  return format
end

return messages
