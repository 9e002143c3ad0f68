-- moonport.test.options — socket options and TCP_INFO of a connection that has no socket: what was
-- set is remembered, the rest is what Linux begins with.

local check = require "moonport.test.check"

-- In the order of src/net/option.c.
local NAMES = {
  "nodelay", "keepalive", "reuseaddr", "broadcast", "rcvbuf", "sndbuf", "ttl", "multicast_ttl",
  "multicast_loop", "linger",
}
local DEFAULTS = {
  nodelay = true, keepalive = true, reuseaddr = true, broadcast = false, rcvbuf = 131072,
  sndbuf = 2626560, ttl = 64, multicast_ttl = 1, multicast_loop = true, linger = false,
}

local LINGER_REFUSED = "socket option 'linger' is refused: closing would stop every script for " ..
  "so long, or with 0 lose what was sent; close() lingers by itself (timeouts.linger), " ..
  "conn:reset() sends RST"

-- Level for error(): the methods call set() and get() as tail calls, which leave no level behind.
local SCRIPT = 2

local function check_name(name)
  if DEFAULTS[name] ~= nil then return end
  error(("unknown socket option '%s' (known: %s, join, leave)"):format(name,
    table.concat(NAMES, ", ")), SCRIPT + 1)
end

local options = {}

---Why a service may not set it, or nil.
---@param name string
---@return string?
function options.refused(name, value)
  return name == "linger" and value ~= false and LINGER_REFUSED or nil
end

---@param set table<string, any> what was set so far
---@param name string
---@return true ok
function options.set(set, name, value)
  if name == "join" or name == "leave" then
    check.text(2, "setoption", value)
    return true
  end
  check_name(name)
  local refused = options.refused(name, value)
  if refused then error(refused, SCRIPT) end
  local is_switch = type(DEFAULTS[name]) == "boolean" and name ~= "linger"
  if is_switch and type(value) ~= "boolean" then
    error(("bad argument #2 to 'setoption' (boolean expected, got %s)"):format(
      value == nil and "no value" or type(value)), SCRIPT)
  end
  if not is_switch and name ~= "linger" then value = check.integer(2, "setoption", value) end
  set[name] = value
  return true
end

---@param name string
function options.get(set, name)
  check_name(name)
  if set[name] ~= nil then return set[name] end
  return DEFAULTS[name]
end

---What the kernel would say of a connection on which nothing is ever lost.
---@param wire moonport.test.Wire
function options.tcp_info(wire)
  local state = "established"
  if wire.fin_sent then
    state = wire.eof_seen and "closing" or "fin-wait-2"
  elseif wire.eof_seen then
    state = "close-wait"
  end
  return {
    state = state, rtt_us = 50, rtt_variation_us = 10, retransmits = 0, unacked = 0, lost = 0,
    congestion_window = 10, send_mss = 32768, receive_space = 65495,
  }
end

return options
