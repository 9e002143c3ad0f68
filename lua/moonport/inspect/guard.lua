-- moonport.inspect.guard — who may see the inspector, and do what: by token, Host, Origin — knows
-- no page.
--
-- A page of anybody's that is open in the same browser can send requests here, and a name of
-- anybody's can be made to mean 127.0.0.1. So every request needs the cookie, which only who opened
-- the printed address has; the Host that we are called by; and, where it could change something, an
-- Origin that is our own. The cookie is bound to a path that no other server on this host is asked
-- for: browsers give cookies to every port of a host.

local codec = require "moonport.codec"
local socket = require "moonport.socket"

local TOKEN_BYTES = 32 -- 256 bits
local COOKIE = "moonport-inspect"
local ROLES = { "teacher", "student" }
local LOOPBACK = { ["localhost"] = true, ["127.0.0.1"] = true, ["[::1]"] = true }

-- Everything the page needs comes from here; nothing else is loaded, sent to, or framed.
local POLICY = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; " ..
  "font-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'; " ..
  "frame-ancestors 'none'"

local SENTENCES = {
  host = "403: the inspector answers under its own address only, not as the host that this " ..
    "request names; open the address that moonport inspect printed\n",
  origin = "403: this request came from the page of another site\n",
  token = "403: this needs the token: open the address that moonport inspect printed, which has " ..
    "a new one at each start\n",
}

---@class moonport.inspect.Role
---@field name "teacher"|"student"
---@field token string
---@field base string the path of all that it sees, "/0123456789abcdef/"

---@class moonport.inspect.Guard
---@field roles moonport.inspect.Role[]
---@field hosts table<string, boolean> by which it may be called beside loopback
local Guard = {}
Guard.__index = Guard

local function role_of(name)
  local token = codec.base64url.encode(codec.random(TOKEN_BYTES))
  local base = "/" .. codec.hex.encode(codec.sha256("path " .. token)):sub(1, 16) .. "/"
  return { name = name, token = token, base = base }
end

-- The host and the port of a Host field or an address; without a port that of HTTP.
local function split(authority)
  local host, port = authority:match("^(.-):(%d+)$")
  if not host or host:find("^%[") and not host:find("%]$") then return authority:lower(), "80" end
  return host:lower(), port
end

-- The numbers that the connection itself came to are a host that nobody can make mean another one.
local function is_ours(self, conn, authority)
  local our_host, our_port = split(conn.sock or "")
  local host, port = split(authority)
  if port ~= our_port then return false end
  local is_near = our_host:find("^127%.") or our_host == "[::1]"
  return host == our_host or self.hosts[host] or is_near and LOOPBACK[host] or false
end

-- Whether the request may be looked at; else what to answer.
---@param changes boolean whether it could change something
function Guard:judge(conn, request, changes)
  local host, origin = request.headers.host or "", request.headers.origin
  if not is_ours(self, conn, host) then return false, self.refuse("host") end
  if (changes or origin) and origin ~= "http://" .. host then
    return false, self.refuse("origin")
  end
  return true
end

-- Whom the cookie says that it is, on the paths of that role.
---@return moonport.inspect.Role?
function Guard:role(request)
  local cookie = ("; " .. (request.headers.cookie or "")):match("; " ..
    COOKIE:gsub("%-", "%%-") .. "=([%w_-]*)")
  for _, role in ipairs(self.roles) do
    local is_here = request.path:sub(1, #role.base) == role.base
    if is_here and cookie and codec.equal(cookie, role.token) then return role end
  end
end

-- Takes the token out of the address and into a cookie.
function Guard:admit(request)
  local list, token = {}, nil
  for _, pair in ipairs(codec.query.list(request.query or "") or {}) do
    if pair[1] == "token" then token = pair[2] else list[#list + 1] = pair end
  end
  for _, role in ipairs(self.roles) do
    if token and codec.equal(token, role.token) then
      local rest = codec.query.encode(list)
      return { status = 303, body = "", headers = self.headers({
        location = role.base .. (rest ~= "" and "?" .. rest or ""),
        ["set-cookie"] = ("%s=%s; Path=%s; HttpOnly; SameSite=Strict"):format(COOKIE, role.token,
          role.base),
      }) }
    end
  end
  return self.refuse("token")
end

-- A link on another site leads here without the cookie, which is for our own pages: this page asks
-- once more, as one of them.
function Guard:refuse_role(request)
  local answer = self.refuse("token")
  if request.headers["sec-fetch-site"] == "cross-site" then answer.headers.refresh = "0" end
  return answer
end

-- What every answer has; and more.
function Guard.headers(more)
  local headers = {
    ["content-security-policy"] = POLICY,
    ["x-content-type-options"] = "nosniff",
    ["referrer-policy"] = "no-referrer",
    ["cross-origin-resource-policy"] = "same-origin",
    ["cross-origin-opener-policy"] = "same-origin",
    ["cache-control"] = "no-store",
  }
  for name, value in pairs(more or {}) do headers[name] = value end
  return headers
end

---@param why "host"|"origin"|"token"
function Guard.refuse(why)
  return { status = 403, body = SENTENCES[why],
    headers = Guard.headers({ ["content-type"] = "text/plain; charset=utf-8" }) }
end

-- By which others most likely reach this host: what the kernel would send from. Nothing is sent.
local function own_address()
  local probe <close> = socket.udp()
  local elsewhere = "192.0.2.1" -- of nobody: RFC 5737
  return probe:connect(elsewhere, 9) and probe:getsockname():match("^(.*):%d+$")
end

-- The addresses to open, a line for each role: who watches is on other hosts.
---@param listener string "tcp://127.0.0.1:40321"
---@return string[]
function Guard:addresses(listener)
  local host, port = split((listener:gsub("^%w+://", "")))
  local is_everywhere = host == "0.0.0.0" or host == "[::]"
  local list = {}
  for index, role in ipairs(self.roles) do
    local at = self.name or is_everywhere and (index > 1 and own_address() or "127.0.0.1") or host
    local whom = #self.roles > 1 and ROLES[index] .. "  " or ""
    list[index] = ("%shttp://%s:%s/?token=%s"):format(whom, at, port, role.token)
  end
  return list
end

-- Where it listens is a port, or HOST:PORT.
---@param listen string? what was told
---@param is_class boolean? students have a token of their own
---@return moonport.inspect.Guard?
---@return string? fault
local function new(listen, is_class)
  local self = setmetatable({ roles = {}, hosts = {} }, Guard)
  for index = 1, is_class and #ROLES or 1 do self.roles[index] = role_of(ROLES[index]) end
  if not listen or listen:find("^%d+$") then return self end
  local host = (listen:gsub("^tcp://", "")):match("^([%w.-]+):%d+$") or
    listen:match("^(%[[%x:.]+%]):%d+$")
  if not host then
    return nil, ("--listen %s: write a port, or HOST:PORT, where the page is to be served"):format(
      listen)
  end
  if host ~= "0.0.0.0" and host ~= "[::]" then
    self.name = host:lower()
    self.hosts[self.name] = true
  end
  return self
end

return { new = new, headers = Guard.headers }
