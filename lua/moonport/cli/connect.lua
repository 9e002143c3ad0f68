-- moonport.cli.connect — moonport connect: standard input goes to a peer, what the peer sends goes
-- to standard output, and what happens to the connection is told on standard error.

local address = require "moonport.address"
local core = require "moonport.cli.core"
local out = require "moonport.cli.out"
local show = require "moonport.show.core"
local socket = require "moonport.socket"
local task = require "moonport.task"
local timer = require "moonport.timer"
local view = require "moonport.cli.connect.view"
local words = require "moonport.show.words"

local PIECE_BYTES = 65536
local LINE_BYTES_MAX = 1024 * 1024 -- a longer one goes in pieces
local DATAGRAM_WAIT_S = 1 -- for answers, when the input has ended
local BUSY_S = 0.005 -- until the kernel has room for another datagram

---@class moonport.cli.connect.Session
---@field options table<string, any>
---@field target string "127.0.0.1:12345", as people call it
---@field scheme "tcp"|"tls"|"unix"|"udp"
---@field conn any the peer: a connection, or a socket for datagrams
---@field input moonport.Conn standard input
---@field view moonport.cli.connect.View
---@field interrupted boolean by Ctrl-C or SIGTERM
---@field waited boolean for longer than --wait
---@field input_ended boolean
local Session = {}
Session.__index = Session

-- --- In words ---------------------------------------------------------------------------------

-- On a terminal it begins a line, whatever stood there.
function Session:tell(format, ...)
  if self.options.quiet then return end
  self.view:end_line()
  io.stderr:write("* ", out.shown(format:format(...)), "\n")
end

-- A Unix socket knows no FIN and no RST; what they mean happens all the same.
function Session:tell_flag(flag, meaning)
  self:tell("%s%s", self.scheme == "unix" and "" or flag .. ": ", meaning)
end

function Session:complain(text)
  self.view:end_line()
  out.complain(text)
end

local function date(seconds) return os.date("!%Y-%m-%d", seconds) end

local function tell_tls(self)
  local tls = self.conn.tls
  local certificate = tls.peer_certificate
  self:tell("%s, %s%s", tls.version, tls.cipher, tls.resumed and ", resumed" or "")
  if not certificate then return end
  self:tell("the certificate is for %s, by %s, until %s; it %s",
    table.concat(certificate.names, ", "), certificate.issuer, date(certificate.not_after),
    self.options.insecure and "was not checked (--insecure)" or "was checked, and the name too")
end

local NOBODY = "nobody listens on %s: start a server there, as with moonport SCRIPT; " ..
  "moonport status says where one listens"

-- Why there is no connection, and what to do.
local function explain(self, code, detail)
  local target, wait = self.target, self.options.wait
  if code == "ECONNREFUSED" then return NOBODY:format(target) end
  if code == "ENOENT" then
    return ("there is no socket at %s: start the server that listens there"):format(target)
  elseif code == "timeout" then
    return ("%s did not answer within %s: is the machine up, and no firewall in between?"):format(
      target, show.seconds(wait))
  elseif code == "handshake" and not self.options.insecure then
    return ("no TLS with %s: %s; --ca FILE names whom to trust, --insecure takes any certificate")
      :format(target, detail)
  end
  return ("cannot connect to %s: %s"):format(target, detail or code)
end

-- --- Pieces -----------------------------------------------------------------------------------

-- Of the address as it was typed.
local function read_target(word, options)
  local parts, _, detail = address.parse(word)
  if not parts then return nil, detail end
  if options.tls and (parts.scheme or "tcp") ~= "tcp" and parts.scheme ~= "tls" then
    return nil, ("--tls is for TCP, and %s is not"):format(word)
  end
  parts.scheme = options.tls and "tls" or parts.scheme or "tcp"
  if parts.scheme == "unix" then return parts.scheme, word, word end
  parts.host = parts.host or (parts.scheme == "tls" and "localhost" or "127.0.0.1")
  local text, _, why = address.format(parts)
  if not text then return nil, why end
  return parts.scheme, text, (text:gsub("^tcp://", ""))
end

-- A function that gives the next piece of what `conn` receives: bytes as they come; or, where lines
-- have an ending, a line with that in place of its own.
local function pieces_of(conn, ending)
  if not ending then return function() return conn:recv(PIECE_BYTES) end end
  return function()
    local line, code, partial = conn:recv_line(LINE_BYTES_MAX)
    if line then return line .. ending end
    if code == "limit" then return conn:recv(LINE_BYTES_MAX) end
    if partial and partial ~= "" then return partial .. ending end
    return nil, code
  end
end

local function line_ending(options, plain)
  return options.crlf and "\r\n" or options.line and plain or nil
end

-- --- Both directions --------------------------------------------------------------------------

-- What the connection counts is exact, but it may have closed when its last bytes are taken here,
-- and then knows nothing any more.
function Session:count(direction, size)
  local taken, counted, stats = self.taken, self.counted, self.conn:stats()
  taken[direction] = taken[direction] + size
  for each, bytes in pairs(taken) do
    counted[each] = math.max(counted[each], bytes, stats[each])
  end
end

-- From standard input to the peer, until one of them ends; no faster than the kernel takes it.
function Session:send_all()
  local next_piece = pieces_of(self.input, line_ending(self.options, "\n"))
  for piece in next_piece do
    if not self.view:show(">", piece) then return self.conn:reset() end
    local is_taken = self.conn:send(piece) and self.conn:drain()
    self:count("bytes_out", is_taken and #piece or 0)
    if not is_taken then return end
  end
  self.input_ended = true
  if self.interrupted or not self.conn:shutdown() then return end
  self:tell_flag("FIN went", "the input has ended, and we send no more")
  if self.options.wait > 0 then
    timer.after(self.options.wait, function()
      self.waited = true
      self.conn:reset()
    end)
  end
end

-- From the peer to standard output. Why it ended: the code of recv(), or "unread".
function Session:receive_all()
  local next_piece = pieces_of(self.conn, self.options.line and "\n")
  while true do
    local piece, code = next_piece()
    if not piece then return code end
    self:count("bytes_in", #piece)
    if not self.view:show("<", piece) then return "unread" end
  end
end

-- Ctrl-C ends every wait, and a second one the program.
function Session:on_interrupt()
  self.interrupted = true
  self.input:reset()
  if self.scheme == "udp" then
    self.conn:close()
  else
    self.conn:reset()
    self.view:drop()
  end
end

local ENDS = {}

-- Who may still send does so to the end of the input; nobody types for a peer that is gone.
function ENDS.eof(self, sending)
  self:tell_flag("FIN came", "the peer sends no more")
  if not self.input_ended and core.is_terminal(0) then return true end
  sending:join()
  if self.interrupted or self.waited then return ENDS.closed(self) end
  if self.input_ended then return true end
  return ENDS.reset(self)
end

function ENDS.reset(self)
  self:tell_flag("RST came", "the peer has broken the connection off")
  return false
end

function ENDS.truncated(self)
  self:complain("FIN came without the goodbye of TLS (close_notify): something may be missing")
  return false
end

function ENDS.closed(self)
  if self.waited then
    self:complain(("%s did not end within %s of the end of the input"):format(self.target,
      show.seconds(self.options.wait)))
  elseif self.interrupted then
    self:tell_flag("RST went", "interrupted, and broken off")
  end
  return false
end

function ENDS.unread() return false end

function Session:talk()
  local conn, begun = self.conn, timer.now()
  self:tell(self.scheme == "unix" and "connected to %s" or "connected to %s from %s",
    self.scheme == "unix" and self.target or conn.peer, conn.sock)
  if conn.tls then tell_tls(self) end
  local sending = task.spawn(function() self:send_all() end)
  local code = self:receive_all()
  local ok = (ENDS[code] or ENDS.reset)(self, sending)
  if ok then conn:close() else conn:reset() end
  ok = self.view:finish() and ok
  self:tell("%s sent, %s received, after %s", out.bytes(self.counted, "bytes_out"),
    out.bytes(self.counted, "bytes_in"), words.time((timer.now() - begun) * 1e9))
  return ok
end

-- --- Datagrams --------------------------------------------------------------------------------

function Session:send_datagram(bytes)
  while true do
    local sent, code, detail = self.conn:send(bytes)
    if sent then return true end
    if code ~= "EAGAIN" then return false, code, detail end
    timer.sleep(BUSY_S)
  end
end

function Session:send_datagrams()
  for piece in pieces_of(self.input, line_ending(self.options, "")) do
    self.view:show_datagram(">", piece)
    local sent, code, detail = self:send_datagram(piece)
    if not sent and code ~= "ECONNREFUSED" then
      if code ~= "closed" then self:complain(("not sent: %s"):format(detail or code)) end
      self.failed = true
    elseif not sent then
      self:refused()
    end
  end
  local wait = self.options.wait
  timer.after(wait > 0 and wait or DATAGRAM_WAIT_S, function() self.conn:close() end)
end

function Session:refused()
  self.failed = true
  self:complain(NOBODY:format(self.target))
end

function Session:exchange()
  self:tell("sends datagrams to %s from %s: UDP makes no connection", self.target,
    self.conn:getsockname())
  local sent_all = task.spawn(function() self:send_datagrams() end)
  while true do
    local bytes, code = self.conn:recv()
    if bytes then
      if not self.view:show_datagram("<", bytes) then break end
    elseif code == "ECONNREFUSED" then
      self:refused()
    else
      break
    end
  end
  sent_all:cancel()
  return self.view:finish() and not self.failed
end

-- --- Beginning --------------------------------------------------------------------------------

local function connect(self, text)
  local options = self.options
  local wait = options.wait > 0 and options.wait or nil
  if self.scheme == "udp" then
    local udp = socket.udp()
    local ok, code, detail = udp:connect(text)
    return ok and udp, code, detail
  end
  local tls = self.scheme == "tls" and { ca = options.ca, verify = not options.insecure } or nil
  return socket.connect(text, { timeout = wait, tls = tls })
end

return function(call)
  local options = call.options
  local scheme, text, target = read_target(call.words[1], options)
  if not scheme then return out.refuse(call, text) end
  local self = setmetatable({ options = options, scheme = scheme, target = target,
    interrupted = false, waited = false, input_ended = false, failed = false,
    taken = { bytes_in = 0, bytes_out = 0 }, counted = { bytes_in = 0, bytes_out = 0 } }, Session)
  local code, detail
  self.conn, code, detail = connect(self, text)
  if code == "EINVAL" then return out.refuse(call, detail) end
  if not self.conn then return out.fail(explain(self, code, detail)) end
  self.view = view.open(options.hex)
  self.input = core.standard(0)
  local ending <close> = core.ending()
  task.spawn(function()
    ending:wait()
    ending:close()
    self:on_interrupt()
  end)
  local ok = (scheme == "udp" and self.exchange or self.talk)(self)
  return ok and 0 or 1
end
