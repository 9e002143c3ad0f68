---@meta

-- conn.lua — one connection, as handlers get it, for editors — is never run.

---One connection. Every name that is not built in is the script's own: conn.nick = "ada".
---A connection can be a to-be-closed variable: `local peer <close> = conn`.
---@class moonport.Conn
---@field id integer counts from 1, never used twice in a process; the "#12" of the log
---@field peer string? "127.0.0.1:50123", "[::1]:50123", "unix:"
---@field peer_ip string? nil on a Unix socket
---@field peer_port integer? nil on a Unix socket
---@field peer_credentials moonport.Credentials? of a Unix socket: whose process is there; made when
---it is asked for
---@field sock string? our end: "127.0.0.1:12345"; nil once closed
---@field listener string? where it was accepted: "tcp://127.0.0.1:12345"; nil of an outgoing one
---@field state "open"|"eof"|"shutdown"|"closing"|"closed" eof: the peer sent FIN; shutdown: we did
---@field via string? the address of the proxy that passed it on: `peer` is its client then. nil
---without proxy_protocol, and once it is closed
---@field proxy moonport.ConnProxy? what that proxy said besides; made when asked for. nil as `via`
---@field tls moonport.ConnTls? what both sides agreed on; nil without TLS, and once it is closed.
---It is made when it is asked for: keep it in a local
---@field close_code integer? of a WebSocket that has ended: what the close frame said that came
---first; 1005: it said nothing, 1006: there was none
---@field close_text string? what it said besides
---@field [string] any
local conn = {}

---Queues a string, or a list of strings in their order. Never waits, as the send() of a
---moonport.Socket does: what a handler sends leaves in one write when the handler ends or waits.
---@param data string|number|(string|number)[]
---@return true? queued
---@return "closed"? code
function conn:send(data) end

---Waits until the queue is below the low-water mark (an eighth of limits.write_queue).
---@return true? drained
---@return "closed"|"timeout"|nil code
function conn:drain() end

---Waits for bytes: returns what has arrived, at least one.
---@param max? integer bytes; 65536
---@return string? bytes
---@return "eof"|"truncated"|"timeout"|"closed"|"reset"|nil code truncated: an outgoing connection
---over TLS was ended by somebody who may not be the peer
function conn:recv(max) end

---Waits for exactly this many bytes.
---@param size integer at most limits.message
---@return string? bytes
---@return "eof"|"truncated"|"timeout"|"closed"|"reset"|nil code
---@return string? partial what had come of them
function conn:recv_exactly(size) end

---Waits for a line; returns it without its LF or CRLF.
---@param max? integer bytes; limits.message
---@return string? line
---@return "eof"|"truncated"|"timeout"|"closed"|"reset"|"limit"|nil code limit: it is longer
---and still there
---@return string? partial what had come of it
function conn:recv_line(max) end

---Waits for a separator, and returns what came before it; the separator itself is dropped.
---@param separator string not empty
---@param max? integer bytes; limits.message
---@return string? bytes
---@return "eof"|"truncated"|"timeout"|"closed"|"reset"|"limit"|nil code limit: it is longer
---and still there
---@return string? partial what had come of it
function conn:recv_until(separator, max) end

---Waits for a whole message; with frame = "http", in main, for a request. Of a WebSocket: returns
---it and its kind, "text" or "binary"; and nil, "eof" and the close frame's text, when the peer
---closes.
---@param frame? moonport.Format that of the service
---@return string? message
---@return string? code or the prefix, where the frame has an offset, or the kind; the code: "eof",
---"timeout", "closed", "reset", "limit" (longer than limits.message), "malformed" (no frame)
---@return string? partial what had come of it; or what is wrong
---@overload fun(self: moonport.Conn): moonport.Request?, string?, string?
function conn:recv_message(frame) end

---Waits for as many bytes as string.unpack(format) takes, at most limits.message, and returns what
---it returns, but for the position; true where that is nothing. "!" and "X" are refused: a stream
---has no alignment.
---@param format string
---@return any ... the values; or nil, code ("limit": it is longer, and still there), what had come
function conn:unpack(format) end

---Waits for so many bytes, and leaves them to be read.
---@param size integer at most limits.message
---@return string? bytes
---@return "eof"|"truncated"|"timeout"|"closed"|"reset"|nil code
---@return string? partial what had come of them, which also stays
function conn:peek(size) end

---Waits for so many bytes, as many as one likes, and drops them.
---@param size integer
---@return true? skipped
---@return "eof"|"truncated"|"timeout"|"closed"|"reset"|nil code
function conn:skip(size) end

---Answers the request at hand, once. With body = function(write) … end it returns when that has.
---@param answer moonport.Answer|string|integer
---@return true? answered
---@return "closed"? code
function conn:respond(answer) end

---Answers the request at hand with server-sent events.
---@param headers? moonport.AnswerHeaders
---@return moonport.Events? events
---@return "closed"? code
function conn:events(headers) end

---Sends a message with what the frame adds to it. Raises when the frame cannot carry it. Of a
---WebSocket: conn:send_message(message [, kind]), where text that is no UTF-8 raises.
---@param message string
---@param frame? moonport.Format|"text"|"binary" that of the service; of a WebSocket "text"
---@param prefix? string the bytes before the length, where the frame has an offset
---@return true? queued
---@return "closed"? code
function conn:send_message(message, frame, prefix) end

---From now on, what arrives on this connection goes to `other`, inside the core and not through
---Lua; so does the end of it: FIN as FIN, a reset as a reset. What was received and not read goes
---first. For both directions, both must be forwarded. Raises when a coroutine reads from this
---connection, or a third one is forwarded to `other`.
---
---With a size, so many bytes go there and nothing else: it waits until they did, and what comes
---next is the script's again.
---@param other moonport.Conn
---@param size? integer bytes
---@return true? forwarded
---@return "closed"|"eof"|"reset"|"timeout"|"EPIPE"|nil code EPIPE: `other` takes no more
---@return integer? passed of a part: how many bytes went
function conn:forward(other, size) end

---Forwards both ways, and waits until both connections have ended. timeouts.idle ends them;
---settimeout() and deadline() do not count.
---@param other moonport.Conn
---@return integer? there bytes that went to `other`
---@return integer|"closed" back bytes that came from it; or the code: one of them had ended before
function conn:join(other) end

---Sends a file, or `size` bytes of it from byte `from` (0: the first) on, as fast as the peer takes
---them; no more than a piece of it is in memory. Waits until all is queued.
---@param path string
---@param from integer?
---@param size integer? nil: what is left
---@return integer? bytes that were sent
---@return string? code "closed", "timeout", "truncated" (it became shorter meanwhile), "ENOENT", …
---@return string? detail
function conn:send_file(path, from, size) end

---Limits each later wait in recv…, drain and send_file of this connection.
---@param seconds number? nil or 0: as long as it takes
---@return true? set
---@return "closed"? code
function conn:settimeout(seconds) end

---When the time of all later waits in recv…, drain and starttls is up, together; settimeout bounds
---each of them besides.
---@param seconds number? from now on; nil or 0: never
---@return true? set
---@return "closed"? code
function conn:deadline(seconds) end

---Calls f(conn) once, unless the connection has closed by then.
---@param seconds number
---@param f fun(conn: moonport.Conn) may wait
---@return moonport.Timer?
---@return "closed"? code
function conn:after(seconds, f) end

---Calls f(conn) again and again until the connection has closed, but not while it still waits.
---@param seconds number
---@param f fun(conn: moonport.Conn) may wait
---@return moonport.Timer?
---@return "closed"? code
function conn:every(seconds, f) end

---Sets an option of the socket. An unknown name raises.
---@param name moonport.OptionName|"join"|"leave"
---@param value boolean|integer|string as the name says; join and leave: a multicast group
---@return true? set
---@return string? code
---@return string? detail
function conn:setoption(name, value) end

---@param name moonport.OptionName
---@return boolean|integer|nil value
---@return string? code
---@return string? detail
function conn:getoption(name) end

---@alias moonport.OptionName
---| "nodelay" # boolean
---| "keepalive" # boolean
---| "reuseaddr" # boolean
---| "broadcast" # boolean
---| "multicast_loop" # boolean
---| "rcvbuf" # bytes
---| "sndbuf" # bytes
---| "ttl"
---| "multicast_ttl"
---| "linger" # seconds, in programs of moonport run; a service may only set false

---Stops reading: the kernel's buffer fills, then the peer feels it. Timeouts keep running.
---@return true? paused
---@return "closed"? code
function conn:pause() end

---Resumes reading.
---@return true? resumed
---@return "closed"? code
function conn:resume() end

---Sends what is queued, then FIN, and drains what the peer still sends, for timeouts.linger at
---most: nothing that was sent is lost.
---@param code? integer of a WebSocket: 1000 (a normal end), 3000 to 4999 (your own), or another one
---of RFC 6455
---@param text? string of a WebSocket: at most 123 bytes of UTF-8
---@return true? closing
---@return "closed"? why it was closing already
function conn:close(code, text) end

---Asks the peer of a WebSocket whether it is there. One that says nothing for half of timeouts.idle
---is asked without this.
---@param payload? string at most 125 bytes
---@return true? queued
---@return "closed"? code
function conn:ping(payload) end

---Sends what is queued, then FIN; reading goes on.
---@return true? shut_down
---@return "closed"? code
function conn:shutdown() end

---From now on the connection speaks TLS: as a server where it was accepted, as a client where it
---was connected. Waits for the handshake, at most for timeouts.handshake. What is queued goes out
---first, as it is. What the peer sent before, and nobody has read, is never taken for protected:
---then the code is "plaintext", and the connection closes. Raises where it speaks TLS already, or
---somebody else reads.
---@param options? moonport.TlsOptions|moonport.TlsServerOptions a server without shows what its
---service does
---@return true? secured
---@return "handshake"|"plaintext"|"timeout"|"closed"|"EINVAL"|nil code EINVAL: a file is no good
---@return string? detail
function conn:starttls(options) end

---@class moonport.TlsOptions
---@field name? string the host that the peer's certificate has to be for; socket.connect() knows it
---@field ca? string a PEM file of whom to trust; those that the system trusts
---@field cert? string a PEM file to show where a certificate is asked for: it, then its chain
---@field key? string that of `cert`, unless it is in the same file
---@field alpn? string[] protocols, the best first
---@field min? "1.2"|"1.3"
---@field verify? boolean false: whoever answers is as good as any other

---@class moonport.TlsServerOptions
---@field cert string a PEM file: the certificate, then its chain
---@field key? string its key, unless it is in the same file
---@field ca? string a PEM file of whose certificates are let in
---@field client? "none"|"request"|"require"
---@field alpn? string[]
---@field min? "1.2"|"1.3"

---Sends RST at once; what is queued is dropped.
---@return true? reset
---@return "closed"? code
function conn:reset() end

---What a proxy said. Each field of version 2 is also there by its number, as it came: proxy[0xEA]
---is that of AWS.
---@class moonport.ConnProxy
---@field version 1|2
---@field destination string? where the client connected to: "192.0.2.1:443"
---@field authority string? the host that it asked for (SNI)
---@field alpn string? the protocol that it speaks
---@field unique_id string? the proxy's name for this connection
---@field ssl moonport.ConnProxySsl? nil: the client speaks no TLS, or the proxy does not say so
---@field [integer] string

---@class moonport.ConnProxySsl
---@field verified boolean it has shown a certificate that the proxy trusts
---@field version string? "TLSv1.3"
---@field cipher string?
---@field cn string? the common name of its certificate

---@class moonport.ConnTls
---@field version "TLSv1.3"|"TLSv1.2"
---@field cipher string as OpenSSL names it
---@field name string? whom the client asked for (SNI)
---@field alpn string? the protocol that both speak
---@field resumed boolean an earlier session goes on
---@field truncated boolean the peer ended without saying so: something may be missing
---@field peer_certificate moonport.Certificate? what the peer showed

---@class moonport.Certificate
---@field subject string "CN=b.example,O=Example"
---@field names string[] whom it is for: host names, addresses
---@field issuer string
---@field serial string in hexadecimal
---@field not_after integer seconds since 1970, as os.time()
---@field sha256 string its fingerprint, in hexadecimal

---Counters so far; in on_close the final ones, and zeros after that.
---@return moonport.ConnStats
function conn:stats() end

---@class moonport.ConnStats
---@field bytes_in integer
---@field bytes_out integer what the kernel took
---@field messages_in integer reads
---@field messages_out integer sends
---@field queue integer bytes that are not sent yet
---@field age number seconds
---@field tcp moonport.TcpInfo? of an open TCP connection

---@class moonport.Credentials
---@field pid integer 0: of a process that this one cannot see
---@field uid integer
---@field gid integer

---The kernel's TCP_INFO, tcp(7).
---@class moonport.TcpInfo
---@field state string as ss(8) names it
---@field rtt_us integer smoothed round-trip time
---@field rtt_variation_us integer
---@field retransmits integer
---@field unacked integer segments
---@field lost integer segments
---@field congestion_window integer segments
---@field send_mss integer bytes
---@field receive_space integer bytes
---@field receive_window integer? bytes that the kernel offers the peer; nil: it does not tell
---@field peer_window integer? bytes that the peer offers; nil: the kernel does not tell
---@field unread integer bytes that arrived, and were not read
---@field in_flight integer bytes sent, and not acknowledged
---@field unsent integer bytes that the kernel took, and has not sent yet
