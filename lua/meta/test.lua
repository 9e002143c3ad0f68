---@meta moonport.test

-- test.lua — the module moonport.test, for editors — is never run.

---Tests of scripts without a socket: docs/testing-scripts.md.
---@class moonport.test
local test = {}

---Loads a script from its file, as the server would; raises what the server would log.
---@param path string
---@param options? moonport.test.Options
---@return moonport.test.Script
function test.load(path, options) end

---Loads a script from its text.
---@param text string
---@param options? moonport.test.Options
---@return moonport.test.Script
function test.load_text(text, options) end

---Cuts bytes in pieces as a peer's send() does.
---@param bytes string
---@param how? moonport.test.Cut
---@return string[] pieces
function test.cut(bytes, how) end

---How bytes are cut: "every" byte alone, in pieces of one size, at the given places (offsets in
---bytes), or at random, the same for the same seed. nil: not at all.
---@alias moonport.test.Cut "every"|integer|integer[]|{ seed: integer }

---@class moonport.test.Options
---@field time? number seconds since 1970 at which the script's time begins; 2000-01-01 00:00:00 UTC
---@field env? table<string, string|false> what os.getenv gives; false hides a variable
---@field modules? table<string, any> what require gives in place of the modules of these names
---@field listen? string|string[] in place of the service's own listen
---@field errors? "raise"|"keep" what handlers raise is raised in the test too (the default), or not

---A script that a test loaded.
---@class moonport.test.Script
---@field log moonport.test.LogRecord[] what was logged, oldest first
---@field errors moonport.test.Failure[] what handlers, timers and tasks raised, oldest first
---@field env table the globals of the version in force
local Script = {}

---@class moonport.test.LogRecord
---@field level "debug"|"info"|"warn"|"error"
---@field message string
---@field conn? integer the id of the connection that it was about
---@field traceback? string

---@class moonport.test.Failure
---@field message string
---@field traceback string
---@field conn? integer the id of the connection whose handler raised

---Connects a new peer to the script.
---@param options? moonport.test.ConnectOptions
---@return moonport.test.Peer
function Script:connect(options) end

---@class moonport.test.ConnectOptions
---@field from? string the peer's address: "192.0.2.1:5000"
---@field via? string it comes through the proxy at this address, which says that it is `from`'s
---@field to? string|integer where it connects to: an address, or its place in listen
---@field stays? boolean the peer does not close when the script sends FIN
---@field tls? true|moonport.TlsOptions it speaks TLS from the first byte: see Peer:starttls()

---Answers where the script connects to; by the function, or as the test says after accept().
---@param address string "127.0.0.1:6379", "unix:///run/x.sock"
---@param behaviour? moonport.test.Behaviour|fun(peer: moonport.test.Peer, bytes: string)
---@return moonport.test.Listener
function Script:listen(address, behaviour) end

---@class moonport.test.Behaviour
---@field silent? boolean never answers, so that connecting takes as long as it may
---@field stays? boolean does not close when the script sends FIN

---Makes a name known to socket.connect and socket.resolve, which otherwise know only "localhost".
---@param name string
---@param ... string addresses in numbers
function Script:name(name, ...) end

---A peer for datagrams.
---@param from? string its address: "192.0.2.1:5000"
---@return moonport.test.Sender
function Script:sender(from) end

---Loads the script anew, as the server does when it was saved: what a version leaves to the next,
---and what becomes of open connections. Raises what the server would log; the version before then
---stays in force.
---@param text? string the changed script; nil: what its file has now
function Script:reload(text) end

---Lets time pass: timers fire and timeouts pass, in their order.
---@param seconds number
function Script:advance(seconds) end

---@return number seconds since the script was loaded
function Script:now() end

---As SIGTERM does: no new connections, and this long for the others. A second time: all end at
---once.
---@param seconds? number 10
function Script:stop(seconds) end

---@return boolean ended whether it has come to its end after stop()
function Script:has_ended() end

---@return integer count of open connections
function Script:connections() end

---The first record of the log whose message matches.
---@param pattern string
---@return moonport.test.LogRecord?
function Script:logged(pattern) end

---What a metric of moonport.metrics is: its value; of a histogram how many values there were, and
---their sum. nil: the script declared none by that name.
---@param name string
---@param ... string|number|boolean the labels' values
---@return number? value
---@return number? sum
function Script:metric(name, ...) end

---The far side of a connection.
---@class moonport.test.Peer
local Peer = {}

---Sends bytes; each piece is one read of the script's, and is handled before the next arrives.
---@param bytes string
---@param how? moonport.test.Cut
---@return true? sent
---@return "closed"? code the script ended the connection before all was sent
function Peer:send(bytes, how) end

---Sends a message in the frame of the service.
---@param message string
---@param prefix? string
---@param how? moonport.test.Cut
---@return true? sent
---@return "closed"? code
function Peer:send_message(message, prefix, how) end

---@class moonport.test.Request
---@field method? string "GET"
---@field target? string "/"
---@field headers? table<string, string|number|(string|number)[]> with a Host, unless they have one
---@field body? string

---@class moonport.test.Response
---@field status integer
---@field reason string
---@field headers table<string, string> by names in lower case
---@field body string

---Sends a request, or with a string one for that target, and reads the response.
---@param request string|moonport.test.Request
---@param how? moonport.test.Cut
---@return moonport.test.Response? response nil while it is not whole: read_response() reads it
---later
---@return "closed"? code the script ended the connection before all was sent, and without an answer
function Peer:request(request, how) end

---The response to the first request that was not answered; nil while it is not whole.
---@return moonport.test.Response?
function Peer:read_response() end

---Sends FIN: nothing more comes from this peer, but it still reads.
function Peer:shutdown() end

---Sends RST.
function Peer:reset() end

---What arrived since the last read, "" when nothing did.
---@param max? integer
---@return string
function Peer:read(max) end

---The next line without its end; nil while there is no whole one.
---@return string?
function Peer:read_line() end

---The next message in the frame of the service; nil while there is no whole one. Of a WebSocket:
---the next frame's payload and its kind, "text", "binary", "ping", "pong" or "close", and of that
---the code.
---@return string? message
---@return string? prefix or the kind
---@return integer? code
function Peer:read_message() end

---Asks for a WebSocket; then send_message(message [, kind [, how]]) sends frames, and
---read_message() reads them.
---@param options? { path: string?, headers: table<string, string>?, protocols: string[]? }
---@return true? opened
---@return integer? status what it was answered with instead; nil: there was no answer yet
function Peer:websocket(options) end

---Everything that ever arrived, read or not.
---@return string
function Peer:received() end

---Takes no more bytes, as a peer that does not read: what the script sends waits in its queue.
---@param room? integer bytes that still find room in the kernel's buffers; 0
function Peer:pause(room) end

---Takes again, what waits first.
function Peer:resume() end

---@return boolean fin whether the script's FIN came
function Peer:got_fin() end

---@return boolean reset whether the script's RST came
function Peer:got_reset() end

---Why the script's side ended, as on_close is told; nil while it has not.
---@return moonport.CloseReason?
function Peer:reason() end

---The script's own object; nil before the connection is accepted.
---@return moonport.Conn?
function Peer:conn() end

---From now on it speaks TLS: as a client where it connected, as a server where it accepted. What it
---sends and reads is the text. Files are relative to the script. Without `ca` a client takes what
---the script shows, whatever that is. Returns what tls() returns.
---@param options? moonport.TlsOptions|moonport.TlsServerOptions
---@return moonport.ConnTls? tls
---@return string? why
function Peer:starttls(options) end

---What both sides agreed on, also once the connection has ended; nil, and why, where the handshake
---is not done or TLS failed.
---@return moonport.ConnTls? tls
---@return string? why
function Peer:tls() end

---Where the script may connect to.
---@class moonport.test.Listener
local Listener = {}

---The next connection that the script made here; nil when there is none.
---@return moonport.test.Peer?
function Listener:accept() end

---Refuses from now on.
function Listener:close() end

---A peer for datagrams.
---@class moonport.test.Sender
---@field address string
local Sender = {}

---Sends one datagram to where the service listens, or to `to`.
---@param data string
---@param to? string
function Sender:send(data, to) end

---The next datagram that came here; nil when there is none.
---@return string? data
---@return string? from
function Sender:read() end

return test
