-- moonport.socket.tls — addresses of tls://, for socket and pool — is not for scripts.

local calls = require "moonport.calls"
local core = require "moonport.socket.core"
local timer = require "moonport.timer"

local M = {}

---@param address string
---@return boolean
function M.is_meant(address)
  return string.find(address, "^[tT][lL][sS]://") ~= nil
end

-- Whom the peer's certificate has to name.
local function host_of(address)
  local rest = string.sub(address, #"tls://" + 1)
  local host = string.match(rest, "^%[([^%]%%]*)") or string.match(rest, "^[^:]*")
  return host ~= "" and host or "127.0.0.1"
end

---Raises at the author's line, where the options mean nothing.
---@param address string
---@param options any
---@param call string
---@param has_port boolean? the address is a host, with the port beside: the options make it one of
---TLS
function M.check(address, options, call, has_port)
  if options == nil or has_port and type(options) == "boolean" then return end
  if type(options) ~= "table" then
    calls.refuse(("option 'tls' of %s must be a table"):format(call))
  end
  if not has_port and not M.is_meant(address) then
    calls.refuse(("option 'tls' of %s: write the address as tls://, or it stays plain")
      :format(call))
  end
  local fault = core.tls_misuse(options, call)
  if fault then calls.refuse(fault) end
end

---@param options any as M.check() takes it
---@return table? options
function M.options(options) return type(options) == "table" and options or nil end

---What connections begin with. Waits until it is known whom the system trusts.
---@param options table?
---@param resumes boolean whether a later one goes on with the session of an earlier one
---@return any context
---@return string? code
---@return string? detail
function M.context(options, resumes) return core.tls_context(options, resumes) end

---Connects, and shakes hands.
---@param address string
---@param timeout number? seconds
---@param context any
---@param proxy any? what a header of the PROXY protocol is to say, before the handshake
---@return moonport.Conn? conn
---@return string? code
---@return string? detail
function M.connect(address, timeout, context, proxy)
  local ends = timeout and timeout > 0 and timer.now() + timeout
  local conn, code, detail = core.connect("tcp" .. string.sub(address, #"tls" + 1), timeout)
  if not conn then return nil, code, detail end
  local left = ends and math.max(ends - timer.now(), 0.001)
  local ok = true
  if proxy then ok, code, detail = core.send_proxy_header(conn, proxy) end
  if ok then ok, code, detail = core.secure(conn, left, context, host_of(address)) end
  if ok then return conn end
  conn:reset()
  return nil, code, detail and address .. ": " .. detail
end

return M
