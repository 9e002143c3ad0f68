-- events.lua — watches a server's events over its control socket — knows no kind of event.

local control = require "tests.support.control"

local events = {}

local Watch = {}
Watch.__index = Watch

--- Begins to watch; `filters` is what follows the command `events`. Raises when it is refused.
function events.watch(server, filters)
  local peer = control.connect(server)
  peer:send("events " .. (filters or "") .. "\n")
  local head = control.decode(peer:receive_line())
  assert(head.ok, head.error)
  return setmetatable({ peer = peer, head = head, seen = {} }, Watch)
end

--- The next event.
function Watch:next()
  local event = control.decode(self.peer:receive_line())
  self.seen[#self.seen + 1] = event
  return event
end

local function matches(event, wanted)
  for name, value in pairs(wanted) do
    if event[name] ~= value then return false end
  end
  return true
end

--- Waits for an event that has these fields; returns it.
function Watch:wait(wanted)
  local event
  repeat event = self:next() until matches(event, wanted)
  return event
end

--- Every event seen so far whose `name` is one of those in the list of kinds (nil: all), each as
--- "kind" or, with `field`, "kind field".
function Watch:kinds(field)
  local list = {}
  for _, event in ipairs(self.seen) do
    local value = field and event[field]
    list[#list + 1] = value and event.event .. " " .. tostring(value) or event.event
  end
  return list
end

--- All events seen so far that have these fields.
function Watch:find(wanted)
  local list = {}
  for _, event in ipairs(self.seen) do
    if matches(event, wanted) then list[#list + 1] = event end
  end
  return list
end

function Watch:close()
  self.peer:close()
end

return events
