-- moonport.service — the rules for the table a script returns — opens nothing.
--
-- Takes its tools as locals when it is loaded, before the script runs.

local report_of = require "moonport.service.report"
local check_tls = require "moonport.service.tls"
local check_door = require "moonport.service.door"
local read_listen = require("moonport.service.listen").read
local common = require "moonport.service.rules"
local integer_from, size, TOO_LARGE = common.whole_from, common.size, common.TOO_LARGE
local fault, shown = report_of.fault, report_of.shown
local check_names, set_of = report_of.check_names, report_of.set_of
local _G, type, pairs, ipairs = _G, type, pairs, ipairs
local floor, tointeger = math.floor, math.tointeger
local format, find, gsub = string.format, string.find, string.gsub
local concat, sort = table.concat, table.sort

local HANDLERS = {
  "on_open", "on_data", "on_message", "on_request", "on_upgrade", "on_datagram",
  "on_eof", "on_drain", "on_timeout", "on_error", "on_close", "main",
}
-- Told of the script's own life: none of them serves anybody.
local LIFE_HANDLERS = { "on_load", "on_unload", "on_reload" }
-- main reads for itself: these would never be told.
local NOT_BESIDE_MAIN = { "on_data", "on_message", "on_eof", "on_drain" }

-- Frames that are protocols: requests and answers, or messages behind such a request.
local PROTOCOLS = { http = 1, websocket = 2 }

-- What `reload` may say, as enum reload_policy counts them.
local RELOADS = { adopt = 0, pin = 1, drain = 2, close = 3 }

-- Of `workers = "all"`, and more than there ever are.
local ALL_WORKERS = 1000000

local SECONDS_MAX = 100 * 365 * 86400
local HEAD_MAX = 16 * 2 ^ 20 -- of a request: it is kept as a whole

---@type moonport.service.Rule
local function head_size(value)
  local bytes, accepted, remark = size(value)
  if bytes and bytes > HEAD_MAX then return nil, [[at most "16M"]], TOO_LARGE end
  return bytes, accepted, remark
end

---@type moonport.service.Rule
local function seconds(value)
  if type(value) == "number" and value > SECONDS_MAX then
    return nil, format("at most %d, or 0 for never", SECONDS_MAX), TOO_LARGE
  end
  if type(value) == "number" and value >= 0 then
    local ms = floor(value * 1000 + 0.5)
    return value > 0 and ms == 0 and 1 or tointeger(ms)
  end
  return nil, "seconds as a number, 0 for never"
end

local RATE_MAX = 1000000

-- As the microseconds between two.
---@type moonport.service.Rule
local function rate(value)
  if type(value) == "number" and value == 0 then return 0 end
  if type(value) == "number" and value >= 0.001 and value <= RATE_MAX then
    return floor(1000000 / value)
  end
  return nil, format("connections per second, 0.001 to %d, or 0 for no limit", RATE_MAX)
end

-- Of each group of options: the rule, the default, and the name of the checked value.
local GROUPS = {
  limits = {
    connections = { integer_from(1, 10000000), 10000, "connections" },
    per_address = { integer_from(0, 10000000), 0, "per_address" },
    accept_rate = { rate, 0, "accept_interval_us" },
    accept_burst = { integer_from(0, 1000000), 0, "accept_burst" },
    write_queue = { size, "1M", "write_queue" },
    output = { size, "64M", "output" },
    memory = { size, "256M", "memory" },
    cpu_ms = { integer_from(0, 3600000), 1000, "cpu_ms" },
    message = { size, "1M", "message" },
    head = { head_size, "16K", "head" },
    versions = { integer_from(1, 1000), 16, "versions" },
    datagrams = { integer_from(1, 1000000), 1024, "datagrams" },
  },
  timeouts = {
    idle = { seconds, 300, "idle_ms" },
    first = { seconds, 300, "first_ms" },
    request = { seconds, 60, "request_ms" },
    write = { seconds, 30, "write_ms" },
    linger = { seconds, 5, "linger_ms" },
    handshake = { seconds, 10, "handshake_ms" },
  },
}

local function sorted_keys(...)
  local keys = {}
  for _, set in ipairs { ... } do
    for key in pairs(set) do keys[#keys + 1] = key end
  end
  sort(keys)
  return keys
end

local function check_group(report, service, result, name, nearest)
  local rules, given = GROUPS[name], service[name]
  if given ~= nil and type(given) ~= "table" then
    fault(report, name, given, "%s is %s: write a table, such as %s = { %s = … }", name,
      shown(given), name, sorted_keys(rules)[1])
    given = nil
  end
  given = given or {}
  check_names(report, given, sorted_keys(rules), name .. ".", nearest)
  for key, rule in pairs(rules) do
    local value = given[key]
    if value == nil then value = rule[2] end
    local checked, accepted, remark = rule[1](value)
    if accepted then
      fault(report, key, value, "%s.%s is %s%s: write %s", name, key, shown(value), remark or "",
        accepted)
    end
    result[rule[3]] = checked
  end
end

local function check_handler(report, service, result, name)
  local handler = service[name]
  if type(handler) == "function" then
    result.handlers[name] = handler
  elseif handler ~= nil then
    fault(report, name, handler, "%s is %s: write a function, %s = function(conn) … end", name,
      shown(handler), name)
  end
  return handler ~= nil
end

local function check_handlers(report, service, result)
  local count = 0
  for _, name in ipairs(HANDLERS) do
    if check_handler(report, service, result, name) then count = count + 1 end
  end
  for _, name in ipairs(LIFE_HANDLERS) do check_handler(report, service, result, name) end
  -- With faults, one of them may be a misspelt handler.
  if count == 0 and #report.faults == 0 and not PROTOCOLS[service.frame] then
    fault(report, nil, nil, "the service has no handler: give it on_data, on_open or main")
  end
  if service.main == nil then return end
  for _, name in ipairs(NOT_BESIDE_MAIN) do
    if service[name] ~= nil then
      fault(report, name, service[name],
        "%s beside main: main reads with conn:recv(), so %s would never run; keep one", name, name)
    end
  end
end

-- What is of requests, where there are none.
local function check_without_requests(report, service)
  for _, name in ipairs { "on_request", "on_upgrade", "stream", "deflate" } do
    if service[name] ~= nil then
      fault(report, name, service[name], [[%s without frame = %q: add that, or leave %s out]], name,
        (name == "on_upgrade" or name == "deflate") and "websocket" or "http", name)
    end
  end
  for group, name in pairs { limits = "head", timeouts = "request" } do
    local given = type(service[group]) == "table" and service[group][name]
    if given then
      fault(report, name, given, [[%s.%s without frame = "http": it is of requests; leave it out]],
        group, name)
    end
  end
end

local function check_http(report, service)
  if service.on_message ~= nil then
    fault(report, "on_message", service.on_message, [[on_message beside frame = "http": ]] ..
      [[on_request(conn, request) takes its place; or write frame = "websocket"]])
  end
  if service.on_upgrade ~= nil then
    fault(report, "on_upgrade", service.on_upgrade,
      [[on_upgrade beside frame = "http": only frame = "websocket" has upgrades]])
  end
  if service.deflate ~= nil then
    fault(report, "deflate", service.deflate,
      [[deflate beside frame = "http": it is of messages of frame = "websocket"]])
  end
  if service.on_request ~= nil and service.main ~= nil then
    fault(report, "on_request", service.on_request, "on_request beside main: main reads with " ..
      "conn:recv_message(), so on_request would never run; keep one")
  elseif service.on_request == nil and service.main == nil then
    fault(report, "frame", service.frame, [[frame = "http" without on_request: nobody answers; ]] ..
      "write on_request = function(conn, request) … end")
  end
end

local function check_websocket(report, service)
  if service.on_message == nil and service.main == nil then
    fault(report, "frame", service.frame, [[frame = "websocket" without on_message: nobody ]] ..
      "gets what comes; write on_message = function(conn, message, kind) … end")
  end
  if service.stream ~= nil and service.on_request == nil then
    fault(report, "stream", service.stream,
      "stream without on_request: it is how that reads bodies; leave it out")
  end
end

local function check_protocol(report, service, result)
  result.protocol = PROTOCOLS[service.frame]
  for _, name in ipairs { "stream", "deflate" } do
    result[name] = service[name] == true
    if service[name] ~= nil and type(service[name]) ~= "boolean" then
      fault(report, name, service[name], "%s is %s: write true or false", name,
        shown(service[name]))
    end
  end
  if service.frame == "http" then
    check_http(report, service)
  else
    check_websocket(report, service)
  end
end

-- on_message takes the place of on_data, and only a frame says what a message is.
local function check_frame(report, service, result, frame_fault)
  local frame = service.frame
  local wrong = frame ~= nil and not PROTOCOLS[frame] and frame_fault(frame, result.message)
  if wrong then
    local what = type(frame) == "table" and "frame" or "frame is " .. shown(frame)
    fault(report, "frame", frame, "%s: %s", what,
      gsub(wrong, "^write ", [[%0"http", "websocket", ]]))
  end
  result.frame = frame
  if service.on_message ~= nil and frame == nil then
    fault(report, "on_message", service.on_message,
      "on_message without frame: say how bytes become messages, such as frame = \"line\"")
  end
  if frame ~= nil and service.on_data ~= nil then
    fault(report, "on_data", service.on_data,
      "on_data beside frame: with a frame, %s takes its place; keep one",
      frame == "http" and "on_request" or "on_message")
  end
  if PROTOCOLS[frame] then
    check_protocol(report, service, result)
  else
    check_without_requests(report, service)
  end
end

-- A main that runs cannot change its code under way.
local function check_reload(report, service, result)
  local given = service.reload
  if given == nil then given = service.main and "pin" or "adopt" end
  result.reload = RELOADS[given]
  if not result.reload then
    fault(report, "reload", given, [[reload is %s: write "adopt", "pin", "drain" or "close"]],
      shown(given))
  elseif given == "adopt" and service.main ~= nil then
    fault(report, "reload", given, [[reload = "adopt" beside main: a main that runs keeps its ]] ..
      [[code; write "pin", "drain" or "close"]])
  elseif given ~= "adopt" and service.on_reload ~= nil then
    fault(report, "on_reload", service.on_reload, "on_reload beside reload = %q: it is told of " ..
      [[connections that the new version adopts, and there are none; keep one]], given)
  end
end

local function check_workers(report, service, result)
  local given = service.workers
  if given == nil then given = 1 end
  local checked, accepted = integer_from(1, ALL_WORKERS)(given == "all" and ALL_WORKERS or given)
  result.workers = checked
  if accepted then
    fault(report, "workers", given, [[workers is %s: write "all", or %s]], shown(given), accepted)
  end
end

-- Datagrams need both a socket and a handler. Of addresses that the operator gave in place of the
-- script's, listening tells.
local function check_datagrams(report, service, result, listens_elsewhere)
  local has_udp = false
  if listens_elsewhere then return end
  for _, address in ipairs(result.listen or {}) do
    has_udp = has_udp or find(address, "^[uU][dD][pP]://") ~= nil
  end
  if has_udp and service.on_datagram == nil then
    fault(report, "listen", service.listen, "listen on udp:// needs on_datagram(sock, data, peer)")
  elseif service.on_datagram ~= nil and not has_udp then
    fault(report, "on_datagram", service.on_datagram,
      [[on_datagram needs a socket: listen = "udp://:5353"]])
  end
end

-- The global functions that have the names of handlers.
local function global_handlers()
  local globals = {}
  for _, name in ipairs(HANDLERS) do
    if type(_G[name]) == "function" then globals[#globals + 1] = name .. " = " .. name end
  end
  return globals
end

-- What a script that returns no table may have meant.
local function no_table(service)
  local globals = global_handlers()
  if service == nil and #globals > 0 then
    return "global functions are no handlers: end the script with return { %s }",
      concat(globals, ", ")
  end
  return "the script returned %s, not a table: end it with " ..
    "return { on_data = function(conn, data) … end }",
    service == nil and "nothing" or shown(service)
end

-- Whether nothing in what a file returned, or left behind, is meant to serve.
local function is_foreign(service, known, nearest)
  if type(service) ~= "table" then return #global_handlers() == 0 end
  local is_known = set_of(known)
  for key in pairs(service) do
    if is_known[key] or type(key) == "string" and nearest(key, known, key) then return false end
  end
  return true
end

local function known_fields()
  local known = { "listen", "frame", "stream", "deflate", "reload", "tls", "allow", "deny",
    "proxy_protocol", "workers" }
  for _, name in ipairs(HANDLERS) do known[#known + 1] = name end
  for _, name in ipairs(LIFE_HANDLERS) do known[#known + 1] = name end
  for _, name in ipairs(sorted_keys(GROUPS)) do known[#known + 1] = name end
  return known
end

local M = {}

---@class moonport.service.Operator what counts in place of what the script says
---@field listen string[]?
---@field tls_cert string? a path, as given
---@field tls_key string?

---Checks what a script returned and fills in the defaults.
---@param service any what the script returned
---@param path string the script's file, as its chunk is named
---@param nearest fun(word: string, known: string[], name: string?): string?
---@param frame_fault fun(frame: any, message_max: integer?): string?
---@param operator moonport.service.Operator?
---@param is_network fun(text: string): boolean, string?
---@return table? checked sizes in bytes, times in ms; nil when there are faults
---@return string[] told one line each: the faults; when there are none, what is to be warned of
---@return boolean? is_foreign there are faults, and nothing of a service: the file may be a module
function M.read(service, path, nearest, frame_fault, operator, is_network)
  local report, known = report_of.new(path), known_fields()
  operator = operator or {}
  if type(service) ~= "table" then
    fault(report, nil, nil, no_table(service))
    return nil, report.faults, is_foreign(service)
  end
  check_names(report, service, known, "", nearest)
  local result = { handlers = {} }
  local given = service.listen
  if given == nil then given = 12345 end
  local wrong, accepted, remark = read_listen(given, result)
  if wrong then fault(report, "listen", given, "%s", wrong) end
  if accepted then
    fault(report, "listen", given, "listen is %s%s: write %s", shown(given), remark or "", accepted)
  end
  check_handlers(report, service, result)
  check_datagrams(report, service, result, operator.listen)
  check_reload(report, service, result)
  check_workers(report, service, result)
  check_group(report, service, result, "limits", nearest)
  check_frame(report, service, result, frame_fault)
  check_group(report, service, result, "timeouts", nearest)
  check_tls(report, service, result, operator, nearest)
  check_door(report, service, result, is_network, operator.listen)
  if #report.faults > 0 then return nil, report.faults, is_foreign(service, known, nearest) end
  return result, report.warnings
end

return M
