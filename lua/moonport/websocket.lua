-- moonport.websocket — connects to a server of WebSocket, and gives a conn with messages — does not
-- know what they say.
--
-- The handshake is RFC 6455, section 4: a request that only a server of WebSocket answers as it
-- must. What is not exactly that answer ends it. What each call takes is told in
-- lua/meta/websocket.lua.

local calls = require "moonport.calls"
local codec = require "moonport.codec"
local core = require "moonport.websocket.core"
local socket = require "moonport.socket"
local timer = require "moonport.timer"

local MAGIC = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
local HEAD_BYTES_MAX = 16384
local SCHEMES = { ws = { "tcp", 80 }, wss = { "tls", 443 } }

-- The fields that the handshake itself has.
local OURS = { host = true, upgrade = true, connection = true }

local OPTIONS = {
  headers = "table", protocols = "table", tls = "table", timeout = "number", deflate = "boolean",
}

local function refuse(...) calls.refuse("websocket.connect: " .. string.format(...)) end

---@class moonport.websocket.Target
---@field address string for socket.connect
---@field host string as the field Host has it
---@field path string with the query

---@return moonport.websocket.Target
local function target_of(url)
  calls.check(url, 1, "connect", "string")
  local scheme, authority, path = string.match(url, "^(%a+)://([^/?#]+)([^#]*)$")
  local kind = scheme and SCHEMES[string.lower(scheme)]
  if not kind or string.find(url, "[^!-~]") or string.find(authority, "@", 1, true) then
    refuse("%q is no address of WebSocket: write ws://host:port/path or wss://…, without a " ..
      "user, \"#\" or blanks", url)
  end
  local has_port = string.find(authority, ":%d+$")
  return {
    address = kind[1] .. "://" .. authority .. (has_port and "" or ":" .. kind[2]),
    host = authority,
    path = string.find(path, "^/") and path or "/" .. path,
  }
end

local function check_options(options)
  calls.check(options, 2, "connect", "table", "nil")
  for name, value in pairs(options or {}) do
    if not OPTIONS[name] then
      refuse("unknown option '%s' (known: deflate, headers, protocols, timeout, tls)",
        tostring(name))
    elseif type(value) ~= OPTIONS[name] then
      refuse("option '%s' must be a %s, not a %s", name, OPTIONS[name], type(value))
    end
  end
  return options or {}
end

local function append_headers(lines, headers)
  local names = {}
  for name in pairs(headers) do names[#names + 1] = tostring(name) end
  table.sort(names)
  for _, name in ipairs(names) do
    local value, lower = headers[name], string.lower(name)
    local is_text = type(value) == "string" or type(value) == "number"
    if not is_text or not core.is_field(name, tostring(value)) then
      refuse("headers[%q] cannot be sent: a name is of letters, digits and \"-\", a value is a " ..
        "text without line ends", name)
    elseif OURS[lower] or string.find(lower, "^sec%-websocket%-") then
      refuse("headers[%q] is part of the handshake; a subprotocol is protocols = { \"x\" }", name)
    end
    lines[#lines + 1] = name .. ": " .. value
  end
end

local function check_protocols(protocols)
  local known = {}
  for index, name in pairs(protocols) do
    if math.type(index) ~= "integer" or type(name) ~= "string" or not core.is_field(name, "") then
      refuse("option 'protocols' must be a list of names, such as { \"chat\" }")
    end
    known[name] = true
  end
  return known
end

local function request_of(target, options, key)
  local protocols = options.protocols or {}
  local lines = {
    "GET " .. target.path .. " HTTP/1.1", "Host: " .. target.host,
    "Upgrade: websocket", "Connection: Upgrade",
    "Sec-WebSocket-Key: " .. key, "Sec-WebSocket-Version: 13",
  }
  if #protocols > 0 then
    lines[#lines + 1] = "Sec-WebSocket-Protocol: " .. table.concat(protocols, ", ")
  end
  if options.deflate then
    lines[#lines + 1] = "Sec-WebSocket-Extensions: permessage-deflate; " ..
      "client_no_context_takeover; server_no_context_takeover"
  end
  append_headers(lines, options.headers or {})
  return table.concat(lines, "\r\n") .. "\r\n\r\n"
end

-- Whether messages are deflated; nil and what is wrong, where the server says what was not asked
-- for.
local function deflates(extensions, is_asked)
  if not extensions then return false end
  local name, parameters = string.match(string.lower(extensions), "^([%w-]+)%s*(.*)$")
  if not is_asked or name ~= "permessage-deflate" or string.find(parameters, ",", 1, true) then
    return nil, "the server has an extension that was not asked for: " .. extensions
  end
  local keeps_none = false
  for parameter in string.gmatch(parameters, ";%s*([^;%s]+)") do
    keeps_none = keeps_none or parameter == "server_no_context_takeover"
    if parameter ~= "server_no_context_takeover" and parameter ~= "client_no_context_takeover"
      and not string.find(parameter, "^server_max_window_bits=") then
      return nil, "the server has a parameter that was not asked for: " .. extensions
    end
  end
  if not keeps_none then return nil, "the server would keep what it deflated: " .. extensions end
  return true
end

-- What is wrong with an answer, or nil, the subprotocol, and whether messages are deflated.
local function judge(headers, key, known, is_deflate_asked)
  local expected = codec.base64.encode(codec.sha1(key .. MAGIC))
  local protocol = headers["sec-websocket-protocol"]
  local connection = string.lower(headers.connection or "")
  if string.lower(headers.upgrade or "") ~= "websocket" then
    return "the answer has no field \"Upgrade: websocket\""
  elseif not string.find("," .. string.gsub(connection, "%s", "") .. ",", ",upgrade,", 1, true) then
    return "the answer has no field \"Connection: Upgrade\""
  elseif headers["sec-websocket-accept"] ~= expected then
    return "the answer's Sec-WebSocket-Accept is not that of the request"
  elseif protocol and not known[protocol] then
    return "the server chose a subprotocol that was not asked for: " .. protocol
  end
  local deflated, fault = deflates(headers["sec-websocket-extensions"], is_deflate_asked)
  return fault, protocol, deflated
end

local function shake(conn, target, options, known, key, request)
  conn:send(request)
  local head, code = conn:recv_until("\r\n\r\n", HEAD_BYTES_MAX)
  if not head then return nil, code, target.host .. ": there was no whole answer" end
  local status, reason, headers = core.read_answer(head .. "\r\n\r\n")
  if not status then return nil, "malformed", target.host .. ": " .. reason end
  if status ~= 101 then
    return nil, "refused", ("%s: the server answered %d %s"):format(target.host, status, reason)
  end
  local fault, protocol, deflated = judge(headers, key, known, options.deflate)
  if fault then return nil, "malformed", target.host .. ": " .. fault end
  conn:settimeout(nil)
  conn.protocol = protocol
  return core.begin(conn, deflated)
end

local M = {}

function M.connect(url, options)
  local target = target_of(url)
  options = check_options(options)
  local known = check_protocols(options.protocols or {})
  local key = codec.base64.encode(codec.random(16))
  local request = request_of(target, options, key) -- raises before it connects
  local timeout = options.timeout
  local ends = timeout and timeout > 0 and timer.now() + timeout
  local conn, code, detail = socket.connect(target.address,
    { timeout = timeout, tls = options.tls })
  if not conn then return nil, code, detail end
  if ends then conn:settimeout(math.max(ends - timer.now(), 0.001)) end
  local ok
  ok, code, detail = shake(conn, target, options, known, key, request)
  if ok then return conn end
  conn:reset()
  return nil, code, detail
end

calls.by_dot(M, "websocket")
return M
