-- moonport.socket.dial — a connection to an address of any kind, for pool and redis — is not for
-- scripts.

local socket = require "moonport.socket"
local tls = require "moonport.socket.tls"

---Connects. Who asks keeps what the next connection of the same one goes on with: a session of TLS.
---@param owner { address: string, tls: table?, context: any }
---@param timeout number? seconds
---@return moonport.Conn? conn
---@return string? code
---@return string? detail
return function(owner, timeout)
  if not tls.is_meant(owner.address) then
    return socket.connect(owner.address, { timeout = timeout })
  end
  if not owner.context then
    local context, code, detail = tls.context(owner.tls, true)
    if not context then return nil, code, detail end
    owner.context = owner.context or context
  end
  return tls.connect(owner.address, timeout, owner.context)
end
