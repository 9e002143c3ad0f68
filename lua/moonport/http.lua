-- moonport.http — asks servers of HTTP — does not read what they send: that is done in C.
--
-- Each origin has a pool of connections. A request takes one, sends, reads, and puts it back when
-- another one may follow. What was sent is sent again only where that cannot do anything twice:
-- the method says so, and the server had ended an old connection before it answered at all. What
-- each call takes and returns is told in lua/meta/http.lua.

local calls = require "moonport.calls"
local core = require "moonport.http.core"
local pool = require "moonport.pool"
local timer = require "moonport.timer"
local url = require "moonport.http.url"
local wishes = require "moonport.http.wish"

local CONNECTIONS_MAX, ORIGINS_MAX = 32, 200 -- of one origin; that are kept though unused
local SKIPPED_BYTES_MAX = 65536 -- of the body of a redirect: more costs the connection

-- What is meant for the origin that it was given for.
local OF_ORIGIN = {
  authorization = true, cookie = true, ["proxy-authorization"] = true, host = true,
}
local IDEMPOTENT = { GET = true, HEAD = true, PUT = true, DELETE = true, OPTIONS = true }
local REDIRECTS = { [301] = true, [302] = true, [303] = true, [307] = true, [308] = true }

-- --- Connections -----------------------------------------------------------------------------

local pools, pool_count = {}, 0

-- Those that have no connection are as good as new ones.
local function prune()
  for key, each in pairs(pools) do
    if each.count == 0 then
      pools[key] = nil
      pool_count = pool_count - 1
    end
  end
end

-- Of an option of TLS: alpn is a list, mostly a new one for each request.
local function text_of(value)
  if type(value) ~= "table" then return tostring(value) end
  local words = {}
  for index, each in ipairs(value) do words[index] = tostring(each) end
  return table.concat(words, ",")
end

-- Connections with other certificates are others.
local function key_of(address, tls)
  if not tls then return address end
  local words = { address }
  for name, value in pairs(tls) do words[#words + 1] = name .. "=" .. text_of(value) end
  table.sort(words)
  return table.concat(words, "\n")
end

local function pool_of(target, tls)
  if target.scheme == "http" then tls = nil end
  local key = key_of(target.address, tls)
  if not pools[key] then
    if pool_count >= ORIGINS_MAX then prune() end
    pools[key] = pool.new(target.address, { size = CONNECTIONS_MAX, tls = tls, timeout = 0 })
    pool_count = pool_count + 1
  end
  return pools[key]
end

-- A connection, until it is done with. Closed before, it is of no use to others.
---@class moonport.http.Lease
---@field pool moonport.Pool
---@field conn moonport.Conn
---@field has_body boolean? the request has one
---@field is_kept boolean? it is somebody else's from here on
local Lease = {}
Lease.__index = Lease

function Lease:finish()
  if self.is_kept then return end
  self.is_kept = true
  -- Where the server answered before it had all, the rest is still to be sent.
  local is_clean = core.is_reusable(self.conn) and
    (not self.has_body or self.conn:stats().queue == 0)
  if not is_clean then self.conn:reset() end
  self.pool:put(self.conn)
end

function Lease:break_off()
  if self.is_kept then return end
  self.conn:reset()
  self:finish()
end
Lease.__close = Lease.break_off

local used = setmetatable({}, { __mode = "k" }) -- connections on which something was asked before

local ENDED = { eof = true, reset = true, truncated = true } -- what "closed" stands for

-- --- Responses -------------------------------------------------------------------------------

local Response = {}
Response.__index = Response
Response.__name = "moonport.http.response"

-- What is left until `ends`, as settimeout() takes it; nil: no limit.
local function left(ends)
  return ends and math.max(ends - timer.now(), 0.001)
end

function Response:read(max)
  calls.check(max, 1, "read", "integer", "nil")
  if self.body then calls.refuse("the body is in the field body, unless stream = true") end
  if not self.lease then return nil, self.code end
  self.lease.conn:settimeout(self.seconds)
  local data, code, detail = self.message:read(max)
  if data then return data end
  if code then self.lease:break_off() else self.lease:finish() end
  if ENDED[code] then
    code, detail = "closed", ("%s: the server ended the connection (%s)"):format(self.url, code)
  end
  self.lease, self.code = nil, code
  return nil, code, detail
end

function Response:close()
  if self.lease then
    self.lease:break_off()
    self.lease, self.code = nil, "closed"
  end
  return true
end
Response.__close, Response.__gc = Response.close, Response.close

-- All of the body. Nil, code, detail.
local function read_all(message, conn, max, ends)
  local pieces, size = {}, 0
  while true do
    conn:settimeout(left(ends))
    local data, code, detail = message:read()
    if code then return nil, code, detail end
    if not data then return table.concat(pieces) end
    size = size + #data
    if size > max then return nil, "limit", ("the body has more than %d bytes"):format(max) end
    pieces[#pieces + 1] = data
  end
end

-- --- One request -----------------------------------------------------------------------------

local function add_body(pieces, wish)
  local body = wish.body
  if type(body) == "function" then
    pieces[#pieces + 1] = "Transfer-Encoding: chunked\r\n\r\n"
  elseif body or wish.method == "POST" or wish.method == "PUT" or wish.method == "PATCH" then
    pieces[#pieces + 1] = ("Content-Length: %d\r\n\r\n"):format(#(body or ""))
    pieces[#pieces + 1] = body
  else
    pieces[#pieces + 1] = "\r\n"
  end
end

local function head_of(wish)
  local pieces = { wish.method .. " " .. wish.target.target .. " HTTP/1.1\r\n" }
  if not wish.names.host then pieces[2] = "Host: " .. wish.target.host .. "\r\n" end
  if not wish.names["user-agent"] then pieces[#pieces + 1] = "User-Agent: moonport\r\n" end
  if not wish.names.accept then pieces[#pieces + 1] = "Accept: */*\r\n" end
  for _, field in ipairs(wish.fields) do
    pieces[#pieces + 1] = field[1] .. ": " .. field[2] .. "\r\n"
  end
  add_body(pieces, wish)
  return pieces
end

-- A server may answer before it has all, and take no more: then what it says counts.
local function send_pieces(conn, produce, ends)
  local code
  produce(function(data)
    if type(data) ~= "string" then calls.refuse("write() of a body takes a string") end
    if code then return nil, code end
    if data == "" then return true end
    conn:settimeout(left(ends))
    local ok
    ok, code = conn:send({ ("%x\r\n"):format(#data), data, "\r\n" })
    if ok then ok, code = conn:drain() end
    return ok, code
  end)
  if not code then conn:send("0\r\n\r\n") end
end

-- Sends it, and reads the head of what comes. Nil, code, detail.
local function ask(conn, wish)
  conn:send(head_of(wish))
  if type(wish.body) == "function" then send_pieces(conn, wish.body, wish.ends) end
  conn:settimeout(left(wish.ends))
  local message, code, detail = core.receive(conn, wish.method, wish.max_head)
  if message and message.status == 101 then
    return nil, "malformed", "it answers to an upgrade that was not asked for"
  end
  return message, code, detail
end

-- No answer came, on a connection that the server may have ended before it was asked.
local function is_stale(wish, code)
  return (ENDED[code] or code == "closed") and IDEMPOTENT[wish.method] and
    type(wish.body) ~= "function"
end

local function explain(wish, code, detail)
  if code == "timeout" then
    detail = ("%s: no whole answer in %g seconds"):format(wish.target.origin, wish.timeout)
  elseif ENDED[code] then
    code, detail = "closed", ("%s ended the connection (%s)"):format(wish.target.origin, code)
  end
  return nil, code, detail or wish.target.origin
end

-- Takes a connection and asks. The message and a lease, or nil, code, detail; true in place of nil:
-- it is to be tried again.
local function try(wish)
  local from = pool_of(wish.target, wish.tls)
  local conn, code, detail = from:get(left(wish.ends))
  if not conn then return nil, code, detail end
  local lease <close> = setmetatable({ pool = from, conn = conn }, Lease)
  local is_old = used[conn]
  used[conn] = true
  local message
  message, code, detail = ask(conn, wish)
  if message then
    local kept = setmetatable({ pool = from, conn = conn, has_body = wish.body ~= nil }, Lease)
    lease.is_kept = true
    return message, kept
  end
  if is_old and is_stale(wish, code) then return true end
  return explain(wish, code, detail)
end

local function perform(wish)
  local message, lease, detail
  repeat message, lease, detail = try(wish) until message ~= true
  return message, lease, detail
end

-- --- Redirects -------------------------------------------------------------------------------

local function drop_fields(wish, dropped)
  local kept = {}
  for _, field in ipairs(wish.fields) do
    local name = field[1]:lower()
    if not dropped[name] then kept[#kept + 1] = field else wish.names[name] = nil end
  end
  wish.fields = kept
end

-- Where the answer sends us, if we go there; nil: it is the answer.
local function next_target(wish, message)
  local location = REDIRECTS[message.status] and wish.redirects > 0 and message.headers.location
  local target = location and url.resolve(wish.target, location)
  local is_weaker = target and target.scheme == "http" and wish.target.scheme == "https"
  local keeps_body = message.status == 307 or message.status == 308
  if is_weaker or keeps_body and type(wish.body) == "function" then return nil end
  return target
end

local CONTENT = { ["content-type"] = true, ["content-encoding"] = true }

local function follow(wish, message, target)
  local to_get = message.status == 303 and wish.method ~= "HEAD" or
    (message.status == 301 or message.status == 302) and wish.method == "POST"
  if to_get then
    wish.method, wish.body = "GET", nil
    drop_fields(wish, CONTENT)
  end
  if target.origin ~= wish.target.origin then drop_fields(wish, OF_ORIGIN) end
  wish.target, wish.redirects = target, wish.redirects - 1
end

-- Reads off the body of a redirect, so that the connection can go on.
local function read_off(message, lease, wish)
  local _ <close> = lease
  read_all(message, lease.conn, SKIPPED_BYTES_MAX, wish.ends) -- or so much of it that it is left
  lease:finish()
end

-- --- What an author calls ----------------------------------------------------------------------

local function response_of(wish, message)
  return setmetatable({
    status = message.status, reason = message.reason, version = message.version,
    headers = message.headers, url = wish.target.text,
  }, Response)
end

local function answer(wish, message, lease)
  local response = response_of(wish, message)
  if wish.stream then
    response.message, response.seconds = message, wish.timeout > 0 and wish.timeout or nil
    if core.is_reusable(lease.conn) then lease:finish() else response.lease = lease end
    return response
  end
  local _ <close> = lease
  local body, code, detail = read_all(message, lease.conn, wish.max_body, wish.ends)
  if not body then return explain(wish, code, detail) end
  lease:finish()
  response.body = body
  return response
end

local M = {}

function M.request(options)
  calls.check(options, 1, "request", "table")
  local wish = wishes.read(options)
  local fault
  wish.target, fault = url.parse(options.url)
  if not wish.target then return nil, "EINVAL", ("%q %s"):format(options.url, fault) end
  wish.ends = wish.timeout > 0 and timer.now() + wish.timeout or nil
  while true do
    local message, lease, detail = perform(wish)
    if not message then return nil, lease, detail end
    local target = next_target(wish, message)
    if not target then return answer(wish, message, lease) end
    read_off(message, lease, wish)
    follow(wish, message, target)
  end
end

function M.get(address, options)
  if type(address) == "table" then
    calls.refuse("http.get takes the url first: http.get(url, { … }), or http.request{ url = … }")
  end
  calls.check(address, 1, "get", "string")
  calls.check(options, 2, "get", "table", "nil")
  local wish = { url = address }
  for name, value in pairs(options or {}) do
    if name == "url" then calls.refuse("http.get takes the url as its first argument") end
    wish[name] = value
  end
  return M.request(wish)
end

calls.by_colon(Response, "response")
calls.by_dot(M, "http")
return M
