-- inspector.lua — `moonport inspect` as a test starts it, requests to it, and pages of it — no
-- claim on what they are answered.

local cjson = require "cjson"
local client = require "tests.support.client"
local control = require "tests.support.control"
local loop = require "tests.support.loop"
local server = require "tests.support.server"
local websocket = require "tests.support.websocket"

local inspector = {}

local Inspector = {}
Inspector.__index = Inspector

local Page = {}
Page.__index = Page

--- Starts it, and waits until it has printed its addresses. Options: `addresses`, how many that are
--- (1); those of process.spawn. The fields: `child`, `port`, `tokens`.
function inspector.start(moonport, words, options)
  local command = { server.program, "inspect", table.unpack(words) }
  local child = moonport:spawn(command, options)
  local self = setmetatable({ child = child, tokens = {} }, Inspector)
  loop.wait_until(function()
    return "addresses of the inspector; it said: " .. child:stdout() .. child:stderr()
  end, function()
    return select(2, child:stdout():gsub("\n", "")) == (options and options.addresses or 1)
  end)
  for port, token in child:stdout():gmatch("http://[%w.:%[%]]+:(%d+)/%?token=([%w_-]+)\n") do
    self.port = math.tointeger(tonumber(port))
    self.tokens[#self.tokens + 1] = token
  end
  self.host = "127.0.0.1:" .. self.port
  return self
end

function Inspector:connect(options)
  return client.connect("tcp://127.0.0.1:" .. self.port, options)
end

-- A head as { status =, NAME = VALUE }.
local function read_head(peer)
  local head = { status = tonumber(peer:receive_line():match("^HTTP/1%.1 (%d+)")) }
  for line in function() return peer:receive_line() end do
    local name, value = line:match("^([%w-]+): (.-)\r?$")
    if not name then break end
    head[name:lower()] = value
  end
  return head
end

--- One request. Options: `method`, `host`, `cookie`, `headers`, a text of whole lines. Returns the
--- head, and the body.
function Inspector:request(path, options)
  options = options or {}
  local peer = self:connect()
  peer:send(("%s %s HTTP/1.1\r\nHost: %s\r\nConnection: close\r\n%s%s\r\n"):format(
    options.method or "GET", path, options.host or self.host,
    options.cookie and "Cookie: " .. options.cookie .. "\r\n" or "", options.headers or ""))
  local head = read_head(peer)
  local size = tonumber(head["content-length"])
  local body = size and options.method ~= "HEAD" and peer:receive(size) or ""
  peer:close()
  return head, body
end

--- Opens the printed address. Returns the cookie and the path that it is for.
function Inspector:admit(token)
  local head = self:request("/?token=" .. (token or self.tokens[1]))
  return head["set-cookie"]:match("^[^;]*"), head.location
end

--- Asks for a WebSocket as a page does. Options: `host`, `origin` (false: none), `cookie`, `path`.
--- Returns the peer, and the status of the answer.
function Inspector:upgrade(options)
  local origin = options.origin == nil and "http://" .. self.host or options.origin
  local peer = self:connect(options)
  peer:send((websocket.request({ path = options.path, headers =
    (options.cookie and "Cookie: " .. options.cookie .. "\r\n" or "") ..
    (origin and "Origin: " .. origin .. "\r\n" or "") }):gsub("Host: [^\r]*", "Host: " ..
    (options.host or self.host))))
  return peer, read_head(peer).status
end

--- A page that is open, and has said where it was. Options: `n`, `lang`, `token`,
--- `receive_buffer`.
function Inspector:page(options)
  options = options or {}
  local cookie, base = self:admit(options.token)
  local peer, status = self:upgrade({ cookie = cookie, path = base .. "ws",
    receive_buffer = options.receive_buffer })
  assert(status == 101, status)
  local page = setmetatable({ peer = peer, last_id = 0, kept = {}, events = {} }, Page)
  page:send({ t = "resume", n = options.n or 0, lang = options.lang or "en" })
  page.hello = page:next("hello")
  return page
end

function Page:send(message)
  self.peer:send(websocket.frame(websocket.TEXT, cjson.encode(message)))
end

-- The next message of any kind; raises at a close frame, and after `ends`: figures never end.
local function receive(self, ends)
  if os.time() > ends then error("the page was told other things only", 0) end
  local frame = websocket.receive(self.peer)
  if frame.opcode == websocket.CLOSE then
    error(("the page was closed: %d %s"):format((">I2"):unpack(frame.payload),
      frame.payload:sub(3)), 0)
  end
  local message = frame.opcode == websocket.TEXT and control.decode(frame.payload) or
    { t = "other" }
  if message.t == "events" then
    table.move(message.list, 1, #message.list, #self.events + 1, self.events)
  end
  return message
end

--- The next message of that kind for which `wanted(message)` says so. Those of other kinds are kept
--- for whoever asks for them.
function Page:next(kind, wanted)
  local ends = os.time() + loop.deadline_seconds
  for index, message in ipairs(self.kept) do
    if message.t == kind and (not wanted or wanted(message)) then
      return table.remove(self.kept, index)
    end
  end
  while true do
    local message = receive(self, ends)
    if message.t == kind and (not wanted or wanted(message)) then return message end
    if message.t ~= "gauges" then self.kept[#self.kept + 1] = message end
  end
end

--- Waits for an event of that name; returns it as it is in the list, once.
function Page:event(name, wanted)
  local ends = os.time() + loop.deadline_seconds
  while true do
    for index, each in ipairs(self.events) do
      if each.e.event == name and (not wanted or wanted(each)) then
        return table.remove(self.events, index)
      end
    end
    self.kept[#self.kept + 1] = receive(self, ends)
  end
end

--- The server that it looks at, as soon as there is one.
function Page:server()
  local known = self.hello.server
  return known ~= cjson.null and known or self:next("back").server
end

--- Asks, and waits for the answer.
function Page:ask(message)
  self.last_id = self.last_id + 1
  message.id = self.last_id
  self:send(message)
  return self:next("answer", function(answer) return answer.id == message.id end)
end

--- Waits for the close frame. Returns its code and its text.
function Page:closed()
  while true do
    local frame = websocket.receive(self.peer)
    if frame.opcode == websocket.CLOSE then
      return (">I2"):unpack(frame.payload), frame.payload:sub(3)
    end
  end
end

return inspector
