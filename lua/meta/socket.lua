---@meta moonport.socket

-- socket.lua — the module moonport.socket, for editors — is never run.

---Connections that a script begins or accepts itself. Calls that wait hold up their own coroutine
---and nobody else's. The codes of failures are libuv's names, "ECONNREFUSED", and "timeout" for a
---limit of the script's own.
---@class moonport.socket
local socket = {}

---Connects in one call. With a port beside, the host may be what a peer sent: it is a name or a
---number, or
---else nil, "EINVAL".
---@param address string "localhost:6379", "tcp://[::1]:7000", "unix:///run/x.sock", and with TLS
---"tls://example.org:443"; or a host, "localhost", "::1"
---@param port? integer of a host
---@param options? moonport.ConnectOptions
---@return moonport.Conn? conn
---@return string? code "ECONNREFUSED", "EAI_NONAME", "timeout", "handshake", …
---@return string? detail
---@overload fun(address: string, options?: moonport.ConnectOptions): moonport.Conn?, string?,
---string?
function socket.connect(address, port, options) end

---@class moonport.ProxyEnds
---@field source string the client: "203.0.113.7:40000"
---@field destination string where it connected to: "192.0.2.1:443"

---@class moonport.ConnectOptions
---@field timeout? number seconds
---@field proxy_protocol? moonport.Conn|moonport.ProxyEnds whose connection it is that we pass on:
---said before all else, by a header of version 2 of the PROXY protocol
---@field tls? moonport.TlsOptions|boolean of an address with tls://; of a host and a port also true

---Looks a name up.
---@param name string
---@param seconds? number how long; nil: as long as it takes
---@return string[]? addresses in numbers
---@return string? code "EAI_NONAME", "timeout", …
---@return string? detail
function socket.resolve(name, seconds) end

---@return moonport.Socket
function socket.tcp() end

---@return moonport.Socket
function socket.unix() end

---@return moonport.Datagrams
function socket.udp() end

---Nothing until bind() or connect(). It can be a to-be-closed variable.
---@class moonport.Socket
local Socket = {}

---Waits only to look a name up; of a name with several addresses it takes the first of IPv4.
---@param host string|integer "localhost", a whole address such as "tcp://[::1]:7000", or a port
---@param port? integer 0: a free one, which getsockname() tells
---@return true? bound
---@return string? code
---@return string? detail
function Socket:bind(host, port) end

---@param backlog? integer connections that may wait to be accepted; 128
---@return true? listening
---@return string? code
---@return string? detail
function Socket:listen(backlog) end

---Waits for a connection.
---@return moonport.Conn? conn
---@return string address of the peer; or the code: "timeout", "closed"
function Socket:accept() end

---@param host string a name, or a whole address
---@param port? integer
---@return true? connected
---@return string? code
---@return string? detail
function Socket:connect(host, port) end

---Sends all of it, and waits while the peer is slower: conn:send() and then conn:drain(). The
---conn:send() of a service, or of what accept() gives, never waits.
---@param data string|number|(string|number)[]
---@return true? sent
---@return string? code
function Socket:send(data) end

---As conn:starttls().
---@param options? moonport.TlsOptions
---@return true? secured
---@return string? code
---@return string? detail
function Socket:starttls(options) end

---As conn:send_file().
---@param path string
---@param from? integer
---@param size? integer
---@return integer? bytes
---@return string? code
---@return string? detail
function Socket:send_file(path, from, size) end

---As conn:drain().
---@return true? drained
---@return string? code
function Socket:drain() end

---As conn:recv(). The code is "ENOTCONN" before connect().
---@param max? integer
---@return string? bytes
---@return string? code
function Socket:recv(max) end

---As conn:recv_exactly().
---@param size integer
---@return string? bytes
---@return string? code
---@return string? partial
function Socket:recv_exactly(size) end

---As conn:recv_line().
---@param max? integer
---@return string? line
---@return string? code
---@return string? partial
function Socket:recv_line(max) end

---As conn:recv_message(); a program has to name the frame.
---@param frame moonport.Format
---@return string? message
---@return string? code or the prefix, where the frame has an offset
---@return string? detail
function Socket:recv_message(frame) end

---As conn:unpack().
---@param format string
---@return any ...
function Socket:unpack(format) end

---As conn:peek().
---@param size integer
---@return string? bytes
---@return string? code
---@return string? partial
function Socket:peek(size) end

---As conn:skip().
---@param size integer
---@return true? skipped
---@return string? code
function Socket:skip(size) end

---As conn:deadline().
---@param seconds number?
---@return true? set
---@return string? code
function Socket:deadline(seconds) end

---As conn:send_message(), and waits while the peer is slower.
---@param message string|number
---@param frame moonport.Format
---@param prefix? string
---@return true? sent
---@return string? code
function Socket:send_message(message, frame, prefix) end

---As conn:recv_until().
---@param separator string
---@param max? integer
---@return string? bytes
---@return string? code
---@return string? partial
function Socket:recv_until(separator, max) end

---As conn:shutdown().
---@return true? shut_down
---@return string? code
function Socket:shutdown() end

---As conn:reset().
---@return true? reset
---@return string? code
function Socket:reset() end

---As conn:stats().
---@return moonport.ConnStats? stats
---@return string? code
function Socket:stats() end

---Limits each later call that waits.
---@param seconds number? nil: as long as it takes
function Socket:settimeout(seconds) end

---As conn:setoption(); before connect() it is kept until then.
---@param name moonport.OptionName|"join"|"leave"
---@param value boolean|integer|string
---@return true? set
---@return string? code
---@return string? detail
function Socket:setoption(name, value) end

---@param name moonport.OptionName
---@return boolean|integer|string|nil value
---@return string? code
---@return string? detail
function Socket:getoption(name) end

---@return string? address of our end: "127.0.0.1:12345"
function Socket:getsockname() end

---@return string? address of the other end
function Socket:getpeername() end

---Everything after that is nil, "closed".
---@return true
function Socket:close() end

---A socket for datagrams. Nothing until bind(), connect() or the first sendto(). It can be a
---to-be-closed variable.
---@class moonport.Datagrams
local Datagrams = {}

---Waits only to look a name up; of a name with several addresses it takes the first of IPv4.
---@param host string|integer "localhost", a whole address such as "[::1]:5353", or a port
---@param port? integer 0: a free one, which getsockname() tells
---@return true? bound
---@return string? code
---@return string? detail
function Datagrams:bind(host, port) end

---Names the one peer that send() is for; datagrams of others are not received from then on.
---@param host string a name, or a whole address
---@param port? integer
---@return true? connected
---@return string? code
---@return string? detail
function Datagrams:connect(host, port) end

---Sends one datagram, now or not at all. Waits only to look a name up.
---@param data string
---@param host string a name, a whole address, or a peer as recvfrom() gave it
---@param port? integer
---@return true? sent
---@return string? code "EMSGSIZE": larger than a datagram may be; "EAGAIN": the kernel is full
---@return string? detail
function Datagrams:sendto(data, host, port) end

---To the peer of connect(); with a peer, the same as sendto().
---@param data string
---@param host? string
---@param port? integer
---@return true? sent
---@return string? code "ENOTCONN" where there is no socket yet; "ECONNREFUSED": nobody took the
---datagram before, and this one was not sent
---@return string? detail
function Datagrams:send(data, host, port) end

---Waits for one datagram.
---@param max? integer bytes; 65536
---@return string? data
---@return string peer "127.0.0.1:5000"; or the code: "timeout", "closed"; after connect()
---"ECONNREFUSED", once: nobody took what was sent
---@return string? cut "truncated" when the datagram was longer than max; or the detail
function Datagrams:recvfrom(max) end

---As recvfrom(), without the peer.
---@param max? integer
---@return string? data
---@return string? code
---@return string? detail
function Datagrams:recv(max) end

---Limits each later recvfrom() and recv().
---@param seconds number? nil: as long as it takes
function Datagrams:settimeout(seconds) end

---Before there is a socket the option is kept until then; "reuseaddr" has to come before bind().
---@param name moonport.OptionName|"join"|"leave"
---@param value boolean|integer|string
---@return true? set
---@return string? code
---@return string? detail
function Datagrams:setoption(name, value) end

---@param name moonport.OptionName
---@return boolean|integer|string|nil value
---@return string? code
---@return string? detail
function Datagrams:getoption(name) end

---@return string? address of our end: "127.0.0.1:5353"
function Datagrams:getsockname() end

---@return string? address of the peer of connect()
function Datagrams:getpeername() end

---Ends a wait in recvfrom() with "closed", as is everything after that.
---@return true
function Datagrams:close() end

---The socket of a service that listens on udp://, as on_datagram gets it.
---@class moonport.Udp
local Udp = {}

---Sends one datagram, now or not at all. Raises when the peer is not an address in numbers.
---@param data string
---@param peer? string "127.0.0.1:5000"; left out on a connected socket
---@return true? sent
---@return string? code "EMSGSIZE", "EAGAIN", "closed", …
---@return string? detail
function Udp:send(data, peer) end

---The same as send().
---@param data string
---@param peer? string
---@return true? sent
---@return string? code
---@return string? detail
function Udp:sendto(data, peer) end

---Where the datagram that this handler has was sent to: which of the machine's addresses, or which
---group.
---Elsewhere the same as getsockname().
---@return string? address "192.0.2.1:53"
---@return string? code
---@return string? detail
function Udp:destination() end

---Only of a program's socket: of a service's, datagrams go to on_datagram, and this raises.
---@param max? integer bytes; 65536
---@param seconds? number
---@return string? data
---@return string peer or the code
---@return string? cut "truncated"
function Udp:recvfrom(max, seconds) end

---@param peer string
---@return true? connected
---@return string? code
---@return string? detail
function Udp:connect(peer) end

---@return string? address
---@return string? code
---@return string? detail
function Udp:getsockname() end

---@param name moonport.OptionName|"join"|"leave"
---@param value boolean|integer|string
---@return true? set
---@return string? code
---@return string? detail
function Udp:setoption(name, value) end

---@param name moonport.OptionName
---@return boolean|integer|nil value
---@return string? code
---@return string? detail
function Udp:getoption(name) end

---@return true? closed
---@return "closed"? code
function Udp:close() end

return socket
