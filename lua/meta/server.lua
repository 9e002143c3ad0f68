---@meta moonport.server

-- server.lua — the module moonport.server, for editors — is never run.

---All the connections of this service at once.
---@class moonport.server
local server = {}

---Those that are not closing, oldest first.
---@return moonport.Conn[]
function server.connections() end

---Sends to all of them, or to some; the bytes are kept once, however many receive them. Raises
---where one of
---them speaks HTTP or WebSocket.
---@param data string|number|(string|number)[]
---@param whom? moonport.Conn|moonport.Audience the one that is left out; or a table that says it
---@return integer receivers how many connections it was queued for
function server.broadcast(data, whom) end

---Sends a message, with the frame of the service, or to WebSockets with theirs: framed and kept
---once.
---@param message string
---@param kind? "text"|"binary" of WebSocket; text. It may be left out where `whom` is there
---@param whom? moonport.Conn|moonport.Audience
---@return integer receivers how many connections it was queued for
---@overload fun(message: string, whom?: moonport.Conn|moonport.Audience): integer
function server.broadcast_message(message, kind, whom) end

---@class moonport.Audience
---@field to? moonport.Conn[] those; all
---@field except? moonport.Conn but not this one

---Some of the script's connections, such as a room of a chat. A connection that closes leaves its
---groups before on_close is told.
---@param name? string the group of that name, which all who ask for it get, in every version of the
---script; it lasts while it has members, or somebody keeps it. Without a name: a new one
---@return moonport.Group
function server.group(name) end

---`#group` is how many are in it.
---@class moonport.Group
---@operator len: integer
local Group = {}

---@param conn moonport.Conn also one that the script connected itself
---@return true? added also where it was in the group already
---@return "closed"? code
function Group:add(conn) end

---@param conn moonport.Conn
---@return boolean was_member
function Group:remove(conn) end

---@param conn moonport.Conn
---@return boolean is_member
function Group:has(conn) end

---@return integer
function Group:count() end

---@return moonport.Conn[] members in the order of their coming
function Group:connections() end

---For a loop, `for conn in group:each() do`: those that are in it when the loop begins.
---@return fun(): moonport.Conn?
function Group:each() end

---As server.broadcast(), to the group.
---@param data string|number|(string|number)[]
---@param except? moonport.Conn
---@return integer receivers
function Group:broadcast(data, except) end

---As server.broadcast_message(), to the group.
---@param message string
---@param kind? "text"|"binary"
---@param except? moonport.Conn
---@return integer receivers
---@overload fun(self: moonport.Group, message: string, except?: moonport.Conn): integer
function Group:broadcast_message(message, kind, except) end

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
