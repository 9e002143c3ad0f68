---@meta

-- service.lua — the table that a script returns, for editors — is never run.
--
-- To be completed and checked while writing, the table needs its type:
--
--     ---@type moonport.Service
--     local service = { on_data = function(conn, data) conn:send(data) end }
--     return service

---A port (0: a free one), or "HOST:PORT", "tcp://[::1]:7000", "udp://:5353",
---"unix:///run/chat.sock". Without a host it is that of --host, 127.0.0.1 unless another is given.
---@alias moonport.Address integer|string

---Addresses, and what their sockets are to be beside that: { "unix:x.sock", mode = "0660" }.
---@class moonport.ListenList
---@field [integer] moonport.Address|moonport.ListenList one within this has options of its own
---@field backlog? integer connections that may wait to be accepted; as --backlog says
---@field mode? string of a Unix socket's file, as chmod has it: "0660"; as the umask says
---@field join? string|string[] groups that a socket of udp:// hears beside: "239.1.2.3%eth0"
---@field rcvbuf? moonport.Size the kernel's buffer; connections have it, too
---@field sndbuf? moonport.Size
---@field ttl? integer
---@field multicast_ttl? integer of udp://, as the following
---@field multicast_loop? boolean
---@field broadcast? boolean

---Bytes: a whole number, or text with K, M or G (of 1024) such as "64K".
---@alias moonport.Size integer|string

---Seconds; fractions are fine, 0 means never.
---@alias moonport.Seconds number

---Why a connection ended. The first reason counts.
---@alias moonport.CloseReason
---| "eof" # the peer sent FIN and the service had nothing more to say
---| "reset" # the peer sent RST, or the network gave up
---| "closed" # the script called close or reset, or main returned
---| "idle" # timeouts.idle or timeouts.first passed
---| "write_timeout" # timeouts.write passed
---| "write_queue" # more than limits.write_queue was unsent, or limits.output and it had most
---| "limit" # a message was longer than limits.message; or deny, allow or limits.per_address
---| "error" # a handler raised, or the memory for the connection ran out
---| "reload" # the script changed
---| "shutdown" # the server ended before the connection did
---| "kicked" # the operator closed it
---| "handshake" # TLS could not begin, or a proxy said nothing that can be believed
---| "handshake_timeout" # nor within timeouts.handshake

---Without it, or unless it returns true, the connection ends.
---@alias moonport.TimeoutHandler fun(conn: moonport.Conn, kind: "idle"|"first"|"write"): boolean?

---A handler raised. Without this one, or unless it returns true, the connection closes.
---@alias moonport.ErrorHandler fun(conn: moonport.Conn, message: string, trace: string): boolean?

---One whole message came. Where the frame has an offset, the prefix stood before the length. Of a
---last line, or delimited message, whose end did not come before the peer's FIN: "eof".
---@alias moonport.MessageHandler fun(conn: moonport.Conn, message: string, prefix: string?)

---Somebody asks for a WebSocket. false or a status refuses.
---@alias moonport.UpgradeHandler
---| fun(conn: moonport.Conn, request: moonport.Request): boolean|integer|nil

---One datagram came. sock:send(data, peer) answers; several of these may run at the same time.
---@alias moonport.DatagramHandler fun(sock: moonport.Udp, data: string, peer: string)

---What a script returns. A field that is not listed here stops the load.
---
---Each handler may wait (conn:recv, conn:drain, timer.sleep). No two handlers of one connection run
---at the same time.
---@class moonport.Service
---@field listen? moonport.Address|moonport.ListenList where to listen; 12345
---@field frame? moonport.Format|"http"|"websocket" how bytes become messages, or requests
---@field stream? boolean true: on_request comes with the head, and reads the body
---@field deflate? boolean true: messages of WebSocket are deflated, where the client offers it
---@field on_open? fun(conn: moonport.Conn) accepted; nothing is read yet
---@field on_data? fun(conn: moonport.Conn, data: string) 1 to 65536 bytes, cut anywhere
---@field on_message? moonport.MessageHandler in place of on_data, with frame
---@field on_request? moonport.RequestHandler with frame = "http"; of "websocket": what is no
---upgrade
---@field on_upgrade? moonport.UpgradeHandler with frame = "websocket"
---@field on_datagram? moonport.DatagramHandler with listen = "udp://…"
---@field on_eof? fun(conn: moonport.Conn) the peer sent FIN; without it: flush, then close
---@field on_drain? fun(conn: moonport.Conn) the queue fell below the low-water mark
---@field on_timeout? moonport.TimeoutHandler
---@field on_error? moonport.ErrorHandler
---@field on_close? fun(conn: moonport.Conn, reason: moonport.CloseReason) exactly once, and last
---@field main? fun(conn: moonport.Conn) in place of on_data: uses conn:recv(); returning closes
---@field reload? moonport.Reload what happens to open connections when this version comes
---@field workers? "all"|integer in how many processes it is to be (--workers); 1
---@field on_load? fun(previous: moonport.Previous?) this version came into force; nil: the first
---@field on_unload? fun(next: moonport.Next?): any it left it; nil: the server ends
---@field on_reload? fun(conn: moonport.Conn) adopted: told once, before its next event
---@field limits? moonport.Limits
---@field timeouts? moonport.Timeouts
---@field tls? moonport.Tls what is shown where the service speaks TLS
---@field allow? moonport.Networks who may connect, or send datagrams; everybody
---@field deny? moonport.Networks who of those may not
---@field proxy_protocol? boolean|moonport.Networks who passes connections on, and says whose, by a
---header of the PROXY protocol; true: anybody. Without it nobody is believed

---Addresses and networks in numbers: { "10.0.0.0/8", "::1" }. In proxy_protocol also "unix".
---@alias moonport.Networks string|string[]

---@alias moonport.Reload
---| "adopt" # their next event finds the new handlers; the default
---| "pin" # they go on with the version they have; the default with main
---| "drain" # the same, but for at most --drain seconds
---| "close" # they are closed gracefully, with reason "reload"

---@class moonport.Previous the version before this one
---@field version integer
---@field state any what its on_unload returned

---@class moonport.Next the version after this one
---@field version integer

---@class moonport.Limits
---@field connections? integer open connections; 10000. More of them wait in the kernel's backlog
---@field versions? integer versions of the script in use at once; 16. Then the oldest drains
---@field datagrams? integer handlers of on_datagram of one socket that may wait at a time; 1024.
---More
---datagrams stay in the kernel, which drops what finds no room
---@field per_address? integer connections of one IP address (IPv6: /64); 0, the default: no limit
---@field accept_rate? number connections accepted in a second; 0, the default: no limit. More wait
---@field accept_burst? integer so many at once, if there were none before; those of a second
---@field output? moonport.Size unsent bytes of all connections; "64M". More reset the longest queue
---@field write_queue? moonport.Size unsent bytes of one connection; "1M". More of them reset it
---@field memory? moonport.Size of the script's Lua state; "256M". More raises "not enough memory"
---@field cpu_ms? integer processor time of a handler up to its next wait; 1000. 0: no limit
---@field message? moonport.Size what recv_exactly, recv_line and recv_until take at most; "1M"
---@field head? moonport.Size the head of a request; "16K"

---Who has to show a certificate that `ca` signed.
---@alias moonport.TlsClient
---| "none" # nobody is asked for one; the default
---| "request" # who has one shows it; a bad one is refused
---| "require" # nobody comes in without

---Paths are of PEM files, relative to the script; a change of one reloads it.
---@class moonport.TlsHost
---@field cert string the certificate, then those that issued it
---@field key? string its private key; the file of cert
---@field ca? string whose certificates are let in; that of all hosts
---@field client? moonport.TlsClient that of all hosts

---@class moonport.Tls: moonport.TlsHost
---@field cert? string the certificate, then those that issued it; --tls-cert takes its place
---@field alpn? string[] protocols, the best first; who offers others only is refused
---@field min? "1.2"|"1.3" the oldest version that is spoken; "1.2"
---@field hosts? table<string, moonport.TlsHost> by the name asked for: "b.example", "*.c.example"

---@class moonport.Timeouts
---@field idle? moonport.Seconds no byte came from the peer; 300
---@field first? moonport.Seconds the first message did not come; 300
---@field request? moonport.Seconds a request that had begun did not come to its end; 60
---@field write? moonport.Seconds the peer acknowledged nothing of what was sent to it; 30
---@field handshake? moonport.Seconds TLS was not agreed on; 10. The script is not told
---@field linger? moonport.Seconds after close(): what the peer still sends is read this long; 5
