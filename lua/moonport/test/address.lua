-- moonport.test.address — addresses as the server reads and writes them — resolves no name.

local core = require "moonport.test.core"

local address = {}

local function with_port(host, port)
  return (host:find(":", 1, true) and "[%s]:%d" or "%s:%d"):format(host, port)
end

---@class moonport.test.Address
---@field kind "tcp"|"udp"|"tls"|"unix"
---@field host string or the path of a Unix socket
---@field port integer?

---@param text string
---@param default_host string? 127.0.0.1
---@return moonport.test.Address?
---@return string? fault
function address.parse(text, default_host)
  local kind, host, port = core.address(text, default_host)
  if not kind then return nil, host end
  return { kind = kind, host = host, port = port }
end

function address.is_numeric(host) return host:find(":", 1, true) or host:find("^[%d.]+$") end

local function groups_of(text)
  local groups = {}
  for group in (text or ""):gmatch("%x+") do groups[#groups + 1] = group end
  return groups
end

---What limits.per_address counts: an IPv4 address, or the /64 of an IPv6 one.
---@param ip string
function address.place(ip)
  local mapped = ip:match("^::[fF]+:([%d.]+)$")
  if mapped or not ip:find(":", 1, true) then return mapped or ip end
  local head, tail = ip:match("^(.-)::(.*)$")
  local groups, last = groups_of(head or ip), groups_of(tail)
  while #groups + #last < 8 do groups[#groups + 1] = "0" end
  table.move(last, 1, #last, #groups + 1, groups)
  return table.concat(groups, ":", 1, 4)
end

---Where a peer on this machine reaches what is bound to `host`.
function address.reached_at(host)
  return host == "0.0.0.0" and "127.0.0.1" or host == "::" and "::1" or host
end

---"127.0.0.1:80", "[::1]:80", "unix:/run/x.sock": as connections name their ends.
function address.text(where, host)
  if where.kind == "unix" then
    return (where.host:find("^//") and "unix://" or "unix:") .. where.host
  end
  return with_port(host or where.host, where.port)
end

---"tcp://127.0.0.1:80", "unix:///run/x.sock": as listeners are named.
function address.name(where, host)
  if where.kind == "unix" then
    return (where.host:find("^/") and "unix://" or "unix:") .. where.host
  end
  return where.kind .. "://" .. with_port(host or where.host, where.port)
end

---The fields of a connection from `peer` ("127.0.0.1:5000"; nil on a Unix socket) to `where`.
function address.ends(peer, where, host)
  if where.kind == "unix" then
    return { peer = "unix:", sock = address.text(where), listener = address.name(where) }
  end
  local ip, port = peer:match("^%[?([^%]]-)%]?:(%d+)$")
  return {
    peer = peer, peer_ip = ip, peer_port = math.tointeger(tonumber(port)),
    sock = with_port(address.reached_at(host), where.port), listener = address.name(where, host),
  }
end

return address
