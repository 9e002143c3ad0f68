-- moonport.socket — sockets as the textbook has them: bind, listen, accept, connect, send, recv.
--
-- A socket begins as nothing, and becomes a listener by bind() or a connection by connect(). What
-- connect() and accept() give is the same conn that handlers get. What each call takes and returns
-- is told in lua/meta/socket.lua.

local join = require("moonport.address").format
local calls = require "moonport.calls"
local core = require "moonport.socket.core"
local tls = require "moonport.socket.tls"

local check = calls.check

---@class moonport.Socket
---@field private kind "tcp"|"unix"
---@field private listener any? after bind()
---@field private conn moonport.Conn? after connect()
---@field private closed boolean?
---@field private timeout number? seconds
---@field private options table<string, any> to be set once there is something to set them on
local Socket = {}
Socket.__index = Socket
Socket.__name = "moonport.socket"

local WHERE = {
  tcp = "socket.tcp() is for TCP", unix = "socket.unix() is for paths",
  udp = "socket.udp() is for datagrams", any = "socket.connect() is for TCP and unix:",
}
local INSTEAD = {
  tcp = "socket.tcp() takes it", unix = "socket.unix() takes it", udp = "socket.udp() takes it",
  tls = "socket.connect() and the connect() of socket.tcp() take it, and a service listens there",
}

-- "tcp" of "tcp://…", "unix" also of "unix:x.sock"; nil of "host:80".
local function scheme_of(address)
  local scheme = string.match(address, "^(%a[%w+.-]*)://")
    or string.match(address, "^([uU][nN][iI][xX]):")
  return scheme and string.lower(scheme)
end

-- Why an address is none for a socket of that kind; "any": what socket.connect() makes. C would
-- read it up to a NUL, and a scheme that is not spoken is not to be taken for one that is.
local function fault_of(kind, address)
  local shown = ("%q"):format(address)
  if string.find(address, "\0", 1, true) then
    return "address " .. shown .. " contains a NUL byte"
  end
  local scheme = scheme_of(address)
  local is_meant = scheme == kind or kind == "any" and scheme ~= "udp"
  if not INSTEAD[scheme] or is_meant then return nil end
  return ("address %s: %s, %s"):format(shown, WHERE[kind], INSTEAD[scheme])
end

-- A whole address, or a host and a port: then the host is a name or a number and nothing else, for
-- it may
-- be what a peer sent. Nil, code, detail where it is none of that kind.
local function address_of(kind, host, port)
  if port ~= nil and kind ~= "unix" then return join(host, port) end
  local fault = fault_of(kind, host)
  if fault then return nil, "EINVAL", fault end
  if port ~= nil then return nil, "EINVAL", "a Unix socket has a path and no port" end
  if kind == "unix" and not scheme_of(host) then return "unix:" .. host end
  return host
end

-- Where to bind: the author says it, and with "" or "*" means every address.
local function bind_address_of(kind, host, port)
  if type(host) == "number" then return ":" .. host end
  if port and host == "" or host == "*" then host = "0.0.0.0" end
  local rest = port and scheme_of(host) == kind and string.match(host, "^%a+://(.+)$")
  return address_of(kind, rest or host, port)
end

local function connect_tls(address, timeout, options, proxy)
  local context, code, detail = tls.context(options, false)
  if not context then return nil, code, detail end
  return tls.connect(address, timeout, context, proxy)
end

-- What a call on a socket returns that is not what the call needs.
local function refuse(self, ...)
  if self.closed then return nil, "closed" end
  return nil, ...
end

function Socket:bind(host, port)
  check(host, 1, "bind", "string", "integer")
  check(port, 2, "bind", "integer", "nil")
  if self.closed or self.listener or self.conn then
    return refuse(self, "EINVAL", "the socket is bound or connected already")
  end
  local address, code, detail = bind_address_of(self.kind, host, port)
  if address then address, code, detail = core.lookup(address, "0.0.0.0", false, self.timeout) end
  if not address then return nil, code, detail end
  local listener
  listener, code, detail = core.bind(address)
  if not listener then return nil, code, detail end
  for name, value in pairs(self.options) do listener:setoption(name, value) end
  self.listener = listener
  return true
end

function Socket:listen(backlog)
  if not self.listener then return refuse(self, "EINVAL", "bind() comes before listen()") end
  return self.listener:listen(backlog)
end

function Socket:accept()
  if not self.listener then
    return refuse(self, "EINVAL", "bind() and listen() come before accept()")
  end
  return self.listener:accept(self.timeout)
end

function Socket:connect(host, port)
  check(host, 1, "connect", "string")
  check(port, 2, "connect", "integer", "nil")
  if self.closed or self.conn then
    return refuse(self, "EISCONN", "the socket is connected already")
  end
  local is_tls = self.kind == "tcp" and tls.is_meant(host)
  local address, code, detail = address_of(is_tls and "tls" or self.kind, host, port)
  if not address then return nil, code, detail end
  local conn
  if is_tls then
    conn, code, detail = connect_tls(address, self.timeout)
  else
    conn, code, detail = core.connect(address, self.timeout)
  end
  if not conn then return nil, code, detail end
  for name, value in pairs(self.options) do conn:setoption(name, value) end
  conn:settimeout(self.timeout)
  self.conn = conn
  return true
end

core.lend_methods(Socket)

function Socket:settimeout(seconds)
  check(seconds, 1, "settimeout", "number", "nil")
  self.timeout = seconds
  if self.conn then self.conn:settimeout(seconds) end
end

-- What there is to set options on.
local function open_of(self) return self.conn or self.listener or self.udp end

-- Checked at once, also where there is nothing yet to set it on: later it would be nobody's line.
function Socket:setoption(name, value)
  local fault = core.option_fault(name, value)
  if fault then calls.refuse(fault) end
  local open = open_of(self)
  if open then return open:setoption(name, value) end
  self.options[name] = value
  return true
end

function Socket:getoption(name)
  local open = open_of(self)
  if open then return open:getoption(name) end
  return self.options[name]
end

function Socket:getsockname()
  if self.listener then return self.listener:getsockname() end
  return self.conn and self.conn.sock
end

function Socket:getpeername()
  return self.conn and self.conn.peer
end

function Socket:close()
  if self.listener then self.listener:close() end
  if self.conn then self.conn:close() end
  self.listener, self.conn, self.closed = nil, nil, true
  return true
end
Socket.__close = Socket.close

---@class moonport.Datagrams
---@field private udp any? once bound, connected, or sent from
---@field private peer string? whose datagram came last: mostly the one to answer
---@field private connected string? the peer of connect()
---@field private closed boolean?
---@field private timeout number? seconds
---@field private options table<string, any>
local Datagrams = {}
Datagrams.__index = Datagrams
Datagrams.__name = "moonport.socket"

-- Makes the socket, if there is none yet; unbound, it is one that can reach `peer`.
local function open(self, address, peer)
  if self.udp then return self.udp end
  if self.closed then return nil, "closed" end
  local any = peer and string.find(peer, "^%[") and "[::]:0" or "0.0.0.0:0"
  local udp, code, detail = core.udp(address or any, self.options.reuseaddr)
  if not udp then return nil, code, detail end
  for name, value in pairs(self.options) do udp:setoption(name, value) end
  self.udp = udp
  return udp
end

-- The peer that is meant, in numbers; of a name with several addresses one that the socket reaches.
local function peer_of(self, host, port)
  if port == nil and host == self.peer then return host end
  local ours = self.udp and self.udp:getsockname()
  local is_ip6 = ours and string.find(ours, "^%[") ~= nil
  local address, code, detail = address_of("udp", host, port)
  if not address then return nil, code, detail end
  return core.lookup(address, "127.0.0.1", is_ip6, self.timeout)
end

function Datagrams:bind(host, port)
  check(host, 1, "bind", "string", "integer")
  check(port, 2, "bind", "integer", "nil")
  if self.udp then return nil, "EINVAL", "bind() comes before the first sendto()" end
  if self.closed then return nil, "closed" end
  local address, code, detail = bind_address_of("udp", host, port)
  if address then address, code, detail = core.lookup(address, "0.0.0.0", false, self.timeout) end
  if not address then return nil, code, detail end
  local udp
  udp, code, detail = open(self, address)
  if not udp then return nil, code, detail end
  return true
end

function Datagrams:connect(host, port)
  check(host, 1, "connect", "string")
  check(port, 2, "connect", "integer", "nil")
  local address, code, detail = peer_of(self, host, port)
  if not address then return nil, code, detail end
  local udp
  udp, code, detail = open(self, nil, address)
  if not udp then return nil, code, detail end
  local ok
  ok, code, detail = udp:connect(address)
  if not ok then return nil, code, detail end
  self.connected = address
  return true
end

function Datagrams:sendto(data, host, port)
  check(data, 1, "sendto", "string", "number")
  check(host, 2, "sendto", "string")
  check(port, 3, "sendto", "integer", "nil")
  local address, code, detail = peer_of(self, host, port)
  if not address then return nil, code, detail end
  local udp
  udp, code, detail = open(self, nil, address)
  if not udp then return nil, code, detail end
  return udp:send(data, address)
end

function Datagrams:send(data, host, port)
  if host ~= nil then return self:sendto(data, host, port) end
  if not self.udp then return refuse(self, "ENOTCONN") end
  return self.udp:send(data)
end

function Datagrams:recvfrom(max)
  local udp, code, detail = open(self)
  if not udp then return nil, code, detail end
  local data, peer, more = udp:recvfrom(max, self.timeout)
  if data then self.peer = peer end
  return data, peer, more
end

function Datagrams:recv(max)
  local data, peer, detail = self:recvfrom(max)
  if not data then return nil, peer, detail end
  return data
end

function Datagrams:settimeout(seconds) self.timeout = seconds end

Datagrams.setoption, Datagrams.getoption = Socket.setoption, Socket.getoption

function Datagrams:getsockname() return self.udp and self.udp:getsockname() end

function Datagrams:getpeername() return self.connected end

function Datagrams:close()
  if self.udp then self.udp:close() end
  self.udp, self.connected, self.closed = nil, nil, true
  return true
end
Datagrams.__close = Datagrams.close

local M = {}

function M.udp()
  return setmetatable({ options = {} }, Datagrams)
end

function M.tcp()
  return setmetatable({ kind = "tcp", options = {} }, Socket)
end

function M.unix()
  return setmetatable({ kind = "unix", options = {} }, Socket)
end

local CONNECT_OPTIONS = { timeout = true, tls = true, proxy_protocol = true }

-- What was meant by something else than a port or a table of options behind the address: Python's
-- create_connection() has a timeout there, and Node a callback.
local function meant_by(address, other)
  local has_port = scheme_of(address) == "unix" or string.find(address, "^[^:]*:%d+$")
    or string.find(address, "[%]/].*:%d+$")
  local number = tonumber(other)
  if number and has_port then
    return ("takes options in a table: write socket.connect(%q, { timeout = %s })"):format(address,
      other)
  elseif math.type(number) == "integer" then
    return ("takes one address: write socket.connect(%q)"):format(
      address_of("tcp", address, number) or address)
  elseif type(other) == "function" then
    return ("waits, and returns the connection: write local conn = socket.connect(%q)"):format(
      address)
  end
end

local function check_connect(address, options, has_port)
  local hint
  if type(address) == "string" then
    local is_other = options ~= nil and type(options) ~= "table" and not has_port
    hint = is_other and meant_by(address, options)
  elseif math.type(address) == "integer" then -- Node's order
    hint = ("takes one address: write socket.connect(%q)"):format(
      (type(options) == "string" and options or "127.0.0.1") .. ":" .. address)
  end
  if hint then calls.refuse("socket.connect " .. hint) end
  check(address, 1, "connect", "string")
  check(options, has_port and 3 or 2, "connect", "table", "nil")
  for name in pairs(options or {}) do
    if not CONNECT_OPTIONS[name] then
      calls.refuse(("unknown option '%s' of socket.connect (known: timeout, tls, proxy_protocol)")
        :format(tostring(name)))
    end
  end
  local timeout = options and options.timeout
  if timeout and (type(timeout) ~= "number" or timeout < 0) then
    calls.refuse("bad option 'timeout' of socket.connect (seconds expected)")
  end
  tls.check(address, options and options.tls, "socket.connect", has_port)
  local proxy = options and options.proxy_protocol
  local wrong = proxy ~= nil and core.proxy_misuse(proxy)
  if wrong then calls.refuse("bad option 'proxy_protocol' of socket.connect: " .. wrong) end
  return timeout
end

-- Of a host and a port the address, of tls:// where the options say so.
local function address_beside(host, port, options)
  local address, code, detail = join(host, port)
  if not address then return nil, code, detail end
  return (options and options.tls and "tls://" or "") .. address
end

function M.connect(address, port, options)
  local has_port = math.type(port) == "integer"
  if not has_port then
    if options ~= nil then
      check(port, 2, "connect", "integer", "table")
      calls.refuse(("bad argument #3 to 'connect' (it takes two arguments, and this %s would be " ..
        "dropped)"):format(type(options)))
    end
    options = port
  end
  local timeout = check_connect(address, options, has_port)
  if has_port then
    local joined, code, detail = address_beside(address, port, options)
    if not joined then return nil, code, detail end
    address = joined
  end
  local fault = fault_of("any", address)
  if fault then return nil, "EINVAL", fault end
  local proxy = options and options.proxy_protocol
  if tls.is_meant(address) then
    return connect_tls(address, timeout, tls.options(options and options.tls), proxy)
  end
  local conn, code, detail = core.connect(address, timeout)
  if not conn or proxy == nil then return conn, code, detail end
  local sent
  sent, code, detail = core.send_proxy_header(conn, proxy)
  if sent then return conn end
  conn:reset()
  return nil, code, detail and address .. ": " .. detail
end

function M.resolve(name, seconds)
  check(name, 1, "resolve", "string")
  check(seconds, 2, "resolve", "number", "nil")
  if string.find(name, "\0", 1, true) then
    return nil, "EINVAL", ("name %q contains a NUL byte"):format(name)
  end
  return core.resolve(name, seconds)
end

local AS_A_WHOLE = { settimeout = "it limits each call as a whole" }
local LATER = "give the address to its connect() or bind()"

calls.by_colon(Socket, "sock", AS_A_WHOLE)
calls.by_colon(Datagrams, "sock", AS_A_WHOLE)
calls.by_dot(M, "socket", { tcp = LATER, unix = LATER, udp = LATER })
return M
