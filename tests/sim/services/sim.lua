-- sim.lua — what every service of the simulator has around its handlers: they must not overlap,
-- on_close comes once and last. What is wrong is said in the log as SIMFAULT, which ends it all.

local sim = {}

-- Of all versions: handed on from one to the next.
local record = { opened = 0, closed = 0 }

local function fault(conn, text)
  print(("SIMFAULT connection %d: %s"):format(conn.id, text))
end

local function leave(conn)
  return setmetatable({}, { __close = function() conn.sim_inside = nil end })
end

-- A handler that is told who is inside; it raises, waits and is cancelled as before.
local function watched(name, handler)
  return function(conn, ...)
    if conn.sim_closed then fault(conn, name .. " after on_close") end
    if conn.sim_inside then fault(conn, name .. " inside " .. conn.sim_inside) end
    if name == "on_open" then record.opened = record.opened + 1 end
    if name == "on_close" then
      conn.sim_closed = true
      record.closed = record.closed + 1
    end
    conn.sim_inside = name
    local _ <close> = leave(conn)
    return handler(conn, ...)
  end
end

local NAMES = { "on_data", "on_message", "on_eof", "on_drain", "on_timeout", "on_error", "main" }
local LIMITS = { versions = 1000, write_queue = "4K", message = "64K" }
local PATIENT = { idle = 0, first = 0, write = 0, linger = 5 }

local function nothing() end

-- What the simulator wants of this version: how it treats connections, and what it does beside.
local function as_wanted(service)
  local mode, beside = os.getenv("MOONPORT_SIM"):match("^(%a+) ?(%a*)$")
  local listen = service.listen
  if type(listen) ~= "table" then listen = { listen } end
  if beside == "broken" then error("planned") end
  if beside == "taken" then listen[#listen + 1] = "10.0.0.9:7" end
  if beside == "more" then listen[#listen + 1] = listen[1] + 100 end
  service.listen = listen
  service.reload = service.main and mode == "adopt" and "pin" or mode
end

function sim.service(service)
  for _, name in ipairs(NAMES) do
    if service[name] then service[name] = watched(name, service[name]) end
  end
  if not service.main then
    service.on_open = watched("on_open", service.on_open or nothing)
  end
  service.on_close = watched("on_close", service.on_close or nothing)
  local on_load = service.on_load
  service.on_load = function(previous)
    record = previous and previous.state or record
    if on_load then on_load() end
  end
  service.on_unload = function(next)
    if not next and record.opened ~= record.closed then
      print(("SIMFAULT %d connections opened, and %d closed"):format(record.opened, record.closed))
    end
    return record
  end
  service.limits = service.limits or LIMITS
  service.timeouts = service.timeouts or PATIENT
  as_wanted(service)
  return service
end

local PATTERN = ("ABCDEFGHIJKLMNOPQRSTUVW"):rep(40)
local LONG = PATTERN:rep(80)

-- One that sends more than it is asked for, and is not waited for.
function sim.flood(listen, limits)
  limits.versions, limits.message = 2, "64K"
  return sim.service({
    listen = listen,
    limits = limits,
    timeouts = { idle = 60, first = 5, write = 2, linger = 1 },
    on_data = function(conn, data)
      for _ = 1, #data % 20 do
        if not conn:send(data:byte(1) % 3 == 0 and LONG or PATTERN) then return end
      end
    end,
  })
end

return sim
