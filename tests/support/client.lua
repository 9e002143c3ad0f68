-- client.lua — one peer of the server, over TCP or a Unix socket — reads only what a test asks for.

local uv = require "luv"
local loop = require "tests.support.loop"

local client = {}

local Client = {}
Client.__index = Client

local function split(address)
  local path = address:match("^unix:/?/?(/.*)$")
  if path then return { path = path } end
  local host, port = address:match("^tcp://%[?([^%]]-)%]?:(%d+)$")
  assert(host, "not an address of a listener: " .. address)
  return { host = host, port = tonumber(port) }
end

local function new_handle(target, options)
  if target.path then return uv.new_pipe(false) end
  local handle = uv.new_tcp(target.host:find(":", 1, true) and "inet6" or "inet")
  -- Before connect: the window that is advertised follows from it.
  if options.receive_buffer then assert(uv.recv_buffer_size(handle, options.receive_buffer)) end
  if options.send_buffer then assert(uv.send_buffer_size(handle, options.send_buffer)) end
  return handle
end

--- Connects to "tcp://127.0.0.1:5000" or "unix:///path".
--- Returns the client, or nil and libuv's name of the error: "ECONNREFUSED".
--- Options: `receive_buffer`, `send_buffer` in bytes.
function client.try_connect(address, options)
  local target = split(address)
  local handle = new_handle(target, options or {})
  local done, failure = false, nil
  local function on_connect(err) done, failure = true, err end
  local started, err
  if target.path then
    started, err = handle:connect(target.path, on_connect)
  else
    started, err = handle:connect(target.host, target.port, on_connect)
  end
  if started then
    loop.wait_until("a connection to " .. address, function() return done end)
  end
  failure = failure or (not started and err)
  if failure then
    handle:close()
    loop.turn()
    return nil, failure:match("^E%u+") or failure
  end
  return setmetatable({ handle = handle, chunks = {}, available = 0, address = address }, Client)
end

--- As try_connect, but raises where no connection comes about.
function client.connect(address, options)
  local self, err = client.try_connect(address, options)
  if not self then error(("cannot connect to %s: %s"):format(address, err), 2) end
  return self
end

--- The local address, as the server sees its peer: "127.0.0.1", 40123.
function Client:name()
  local name = assert(self.handle:getsockname())
  return name.ip, name.port
end

--- Starts to send and does not wait; `unsent()` tells how many bytes the kernel has not yet taken.
function Client:offer(data)
  self.writing = (self.writing or 0) + 1
  self.handle:write(data, function(err)
    self.writing = self.writing - 1
    self.write_error = err
  end)
end

function Client:unsent()
  return uv.stream_get_write_queue_size(self.handle)
end

--- Waits until the kernel took all that was offered.
function Client:wait_sent()
  loop.wait_until(function() return ("%d bytes to leave"):format(self:unsent()) end,
    function() return (self.writing or 0) == 0 end)
  if self.write_error then error("cannot send: " .. self.write_error, 2) end
end

--- Sends all of `data`.
function Client:send(data)
  self:offer(data)
  self:wait_sent()
end

local function on_read(self, wanted)
  return function(err, chunk)
    if chunk then
      self.chunks[#self.chunks + 1] = chunk
      self.available = self.available + #chunk
      -- What was not asked for stays in the kernel, so that a slow reader is one.
      if self.available >= wanted then self.handle:read_stop() end
    else
      self.ending = err and (err:match("^E%u+") or err) or "EOF"
    end
  end
end

-- Reads until there are `wanted` bytes, `enough()` says so, or the peer ended the stream.
local function fill(self, what, wanted, enough)
  local function ready() return self.ending or self.available >= wanted or (enough and enough()) end
  if ready() then return end
  self.handle:read_start(on_read(self, wanted))
  local ok, err = pcall(loop.wait_until, function()
    return ("%s; %d bytes are there: %q"):format(what, self.available,
      self:buffered():sub(1, 200))
  end, ready)
  if not self.handle:is_closing() then self.handle:read_stop() end
  if not ok then error(err, 3) end
end

--- The bytes that were read and not yet taken.
function Client:buffered()
  local text = table.concat(self.chunks)
  self.chunks = { text }
  return text
end

local function take(self, size)
  local text = self:buffered()
  self.chunks = { text:sub(size + 1) }
  self.available = #text - size
  return text:sub(1, size)
end

--- Exactly `size` bytes; raises when the stream ends before.
function Client:receive(size)
  fill(self, size .. " bytes", size)
  if self.available < size then
    error(("the stream ended (%s) after %d of %d bytes: %q"):format(self.ending, self.available,
      size, self:buffered():sub(1, 200)), 2)
  end
  return take(self, size)
end

--- One line without its "\n".
function Client:receive_line()
  fill(self, "a line", math.huge, function() return self:buffered():find("\n", 1, true) end)
  local at = self:buffered():find("\n", 1, true)
  if not at then
    error(("the stream ended (%s) within a line: %q"):format(self.ending, self:buffered()), 2)
  end
  return take(self, at):sub(1, -2)
end

--- Everything until the server's FIN; a reset raises.
function Client:receive_all()
  fill(self, "the server's FIN", math.huge)
  if self.ending ~= "EOF" then
    error(("%s in place of a FIN after %d bytes"):format(self.ending, self.available), 2)
  end
  return take(self, self.available)
end

--- Reads until the stream ends in any way: "EOF" or "ECONNRESET". Returns it, and the bytes before.
function Client:receive_end()
  fill(self, "the end of the stream", math.huge)
  return self.ending, take(self, self.available)
end

--- Sends FIN after all that was offered; reading goes on.
function Client:finish()
  local done, failure = false, nil
  local begun, err = self.handle:shutdown(function(err) done, failure = true, err end)
  if not begun then error("cannot send FIN: " .. err, 2) end
  loop.wait_until("our FIN to leave", function() return done end)
  if failure then error("cannot send FIN: " .. failure, 2) end
end

--- Closes with RST (SO_LINGER of 0), in whatever state the connection is.
function Client:reset()
  if self.handle:is_closing() then return end
  self.handle:close_reset()
  loop.turn()
end

function Client:close()
  if self.handle:is_closing() then return end
  self.handle:close()
  loop.turn()
end

return client
