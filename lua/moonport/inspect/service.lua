-- moonport.inspect.service — `moonport inspect`: the page, and what the pages that are open are
-- told — the rest of this directory does the work.

local asks = require "moonport.inspect.asks"
local edits = require "moonport.inspect.edits"
local feed = require "moonport.inspect.feed"
local gauges = require "moonport.inspect.gauges"
local guard = require "moonport.inspect.guard"
local json = require "moonport.json"
local pages = require "moonport.inspect.pages"
local ring = require "moonport.inspect.ring"
local tab = require "moonport.inspect.tab"
local task = require "moonport.task"
local timer = require "moonport.timer"

local RING_EVENTS, RING_BYTES = 5000, 16 * 1024 * 1024
local TICK_S = 0.05      -- between two batches of events
local LINGER_S = 5       -- a page that is loaded anew is back by then
local NO_WORDS, FLOOD = 4000, 4008 -- codes of WebSocket that end what is no page of ours
local MESSAGES_MAX = 500 -- of a tab in a second

---@class moonport.inspect.Inspector
---@field call table the command line
---@field tabs table<moonport.Conn, moonport.inspect.Tab>
local Inspector = {}
Inspector.__index = Inspector

function Inspector.may(role)
  local teaches = role.name == "teacher"
  return { ask = teaches, edit = teaches, write = teaches, record = teaches, replay = false,
    lessons = false }
end

function Inspector:tell_all(message)
  local text = assert(json.encode(message))
  for _, each in pairs(self.tabs) do
    if each.has_begun then each:send_text(text) end
  end
end

-- --- While somebody looks --------------------------------------------------------------------

local function tick(self)
  while next(self.tabs) do
    for _, each in pairs(self.tabs) do each:send_events(self.ring) end
    timer.sleep(TICK_S)
  end
end

local function poll(self)
  local function tell(kind, text, key)
    for _, each in pairs(self.tabs) do
      if each.has_begun then each:send_changed(kind, text, key) end
    end
  end
  local function watched()
    local list = {}
    for _, each in pairs(self.tabs) do
      table.move(each.watched, 1, #each.watched, #list + 1, list)
    end
    return list
  end
  local function is_wanted() return next(self.tabs) ~= nil end
  while is_wanted() do
    if self.feed.server then
      gauges(self.feed.server.control, self.feed, tell, watched, is_wanted)
    end
    timer.sleep(TICK_S)
  end
end

local function begin(self)
  if self.linger then self.linger:cancel() end
  self.linger = nil
  self.feed:want(true)
  if self.is_running then return end
  self.is_running = true
  local one, other = task.spawn(tick, self), task.spawn(poll, self)
  task.spawn(function()
    one:join()
    other:join()
    self.is_running = false
    if next(self.tabs) then return begin(self) end
    self.linger = timer.after(LINGER_S, function()
      self.linger = nil
      if not next(self.tabs) then self.feed:want(false) end
    end)
  end)
end

-- --- What pages say --------------------------------------------------------------------------

local messages = {}

function messages.resume(self, page, message)
  local number = math.tointeger(message.n) or 0
  local language = message.lang == "ko" and "ko" or "en"
  if self.call.options.lang ~= "auto" then language = self.call.options.lang end
  page:resume(self.ring, number, language)
  page:forget_sent()
  page:send({ t = "hello", mode = "live", lang = language, version = self.call.version,
    may = self.may(page.role), seq = self.ring.last, server = self.feed.server or json.null })
  if self.feed.why then page:send({ t = "gone", why = self.feed.why }) end
end

function messages.watch(_, page, message)
  page.watched = {}
  for index, id in ipairs(type(message.conns) == "table" and message.conns or {}) do
    if index > 16 then break end
    page.watched[index] = tostring(id)
  end
end

-- Requests, which have an answer.
local requests = {}

function requests.ask(self, _, message) return asks.ask(self.call.options.control, message) end

function requests.source(self, _, message) return self.edits:source(message) end

function requests.check(self, _, message) return self.edits:check(message) end

-- Another teacher's page is told, too, that the text is another one.
local function tell_edited(self, page, message, answer)
  if not answer.ok then return answer end
  local line = answer.lines and answer.lines[1] or {}
  for _, each in pairs(self.tabs) do
    if each.has_begun then
      each:send({ t = "edited", how = message.t, script = line.script or message.script,
        by = each == page and "you" or "other", in_memory = line.in_memory == true,
        version = line.version })
    end
  end
  return answer
end

for _, name in ipairs { "apply", "rollback", "write" } do
  requests[name] = function(self, page, message)
    return tell_edited(self, page, message, self.edits[name](self.edits, message))
  end
end

local function answer(self, page, message)
  local request = requests[message.t]
  local fields
  if page.role.name ~= "teacher" then
    fields = { ok = false, error = "this page only watches" }
  else
    local ok, result = pcall(request, self, page, message)
    fields = ok and result or { ok = false, error = tostring(result) }
  end
  fields.t, fields.id = "answer", message.id
  fields.lines = json.array(fields.lines or {})
  if not page:send(fields) then
    page:send({ t = "answer", id = message.id, ok = false, lines = json.array(),
      error = "the answer has no form in JSON" })
  end
end

-- A page that asks faster than it is answered waits.
local function take_request(self, page, message)
  while page:is_busy() do
    page.room = page.room or task.gate()
    page.room:close()
    page.room:wait()
  end
  page.pending = page.pending + 1
  task.spawn(function()
    answer(self, page, message)
    page.pending = page.pending - 1
    if page.room then page.room:open() end
  end)
end

local function is_flood(page)
  local second = math.floor(timer.now())
  if page.second ~= second then page.second, page.messages = second, 0 end
  page.messages = page.messages + 1
  return page.messages > MESSAGES_MAX
end

function Inspector:hear(conn, text, kind)
  local page = self.tabs[conn]
  local message = kind == "text" and json.decode(text)
  local is_table = type(message) == "table"
  if is_flood(page) then return conn:close(FLOOD, "too many messages in a second") end
  if is_table and messages[message.t] and (message.t == "resume" or page.has_begun) then
    return messages[message.t](self, page, message)
  elseif is_table and requests[message.t] and page.has_begun and message.id ~= nil then
    return take_request(self, page, message)
  end
  conn:close(NO_WORDS, page.has_begun and "no message of the page" or "resume comes first")
end

-- --- The service -----------------------------------------------------------------------------

function Inspector:answer(conn, request)
  local reads = request.method == "GET" or request.method == "HEAD"
  local ok, refusal = self.guard:judge(conn, request, not reads)
  if not ok then return refusal end
  if not reads then
    return { status = 405, headers = guard.headers({ allow = "GET, HEAD" }), body = "" }
  end
  if request.path == "/" then return self.guard:admit(request) end
  local role = self.guard:role(request)
  if not role then return self.guard:refuse_role(request) end
  return pages(request.path:sub(#role.base + 1), request, guard.headers) or
    { status = 404, headers = guard.headers({ ["content-type"] = "text/plain" }),
      body = "404: the page has no such file\n" }
end

function Inspector:admit(conn, request)
  local ok, refusal = self.guard:judge(conn, request, true)
  if not ok then return refusal.status end
  local role = self.guard:role(request)
  if not role or request.path ~= role.base .. "ws" then return 403 end
  conn.role = role
  return { headers = guard.headers() }
end

local function print_addresses(self)
  for _, address in ipairs(self.guard:addresses(self.call.listeners()[1])) do
    io.stdout:write(address, "\n")
  end
  io.stdout:flush()
end

---@param call table the command line, and what src/cli/inspect.c adds to it
return function(call)
  local self = setmetatable({ call = call, tabs = {} }, Inspector)
  self.ring = ring.new(RING_EVENTS, RING_BYTES)
  self.guard = guard.new(call.options.listen, { "teacher" })
  self.edits = edits.new(call.options.control)
  self.feed = feed.new(self.ring, call.options.control, function(server, why)
    self:tell_all(server and { t = "back", server = server } or { t = "gone", why = why })
  end)
  return {
    frame = "websocket",
    limits = { connections = 128, message = "1M", write_queue = "4M", memory = "512M" },
    timeouts = { idle = 120, first = 10, write = 3600 },
    on_load = function() task.spawn(print_addresses, self) end,
    on_request = function(conn, request) return self:answer(conn, request) end,
    on_upgrade = function(conn, request) return self:admit(conn, request) end,
    on_open = function(conn)
      self.tabs[conn] = tab.new(conn, conn.role)
      begin(self)
    end,
    on_message = function(conn, text, kind) self:hear(conn, text, kind) end,
    on_close = function(conn) self.tabs[conn] = nil end,
  }
end
