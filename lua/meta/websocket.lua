---@meta moonport.websocket

-- websocket.lua — the module moonport.websocket, for editors — is never run.

---A client of WebSocket. What connect() gives is a conn with send_message(), recv_message(), ping()
---and close(); it answers pings while a coroutine waits in recv_message().
---@class moonport.websocket
local websocket = {}

---@class moonport.websocket.Options
---@field headers? table<string, string|number> of the request, such as Origin, Cookie,
---Authorization
---@field protocols? string[] subprotocols, the one liked best first; conn.protocol is what was
---chosen
---@field tls? moonport.TlsOptions of wss://
---@field timeout? number seconds for connecting and the handshake together; no limit
---@field deflate? boolean offers permessage-deflate

---Connects and shakes hands. Waits.
---@param url string "ws://host:port/path" or "wss://…"
---@param options? moonport.websocket.Options
---@return moonport.Conn? conn
---@return string? code "refused": the server answered otherwise; "malformed": it does not speak
---WebSocket as it must; else as of socket.connect()
---@return string? detail
function websocket.connect(url, options) end

return websocket
