---@meta moonport.server

-- server.lua — the module moonport.server, for editors — is never run.

---All the connections of this service at once.
---@class moonport.server
local server = {}

---Those that are not closing, oldest first.
---@return moonport.Conn[]
function server.connections() end

---Sends to all of them but one; the bytes are kept once, however many receive them.
---@param data string|number|(string|number)[]
---@param except? moonport.Conn
---@return integer receivers how many connections it was queued for
function server.broadcast(data, except) end

---Sends a message to all WebSockets that are open; it is framed and kept once.
---@param message string
---@param kind? "text"|"binary" text
---@return integer receivers how many connections it was queued for
function server.broadcast_message(message, kind) end

---@return moonport.ServerStats
function server.stats() end

---@class moonport.ServerStats
---@field connections integer open now
---@field accepted integer so far
---@field failed_handshakes integer of TLS, of accepted connections, so far: no handler was told
---@field bytes_in integer of all connections so far
---@field bytes_out integer
---@field memory integer bytes of the Lua state
---@field version integer of the script, counted from 1 on by each reload
---@field draining boolean the server has been told to end

return server
