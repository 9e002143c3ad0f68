-- moonport.inspect.service — `moonport inspect`: who is let in, the tabs that are open, and what
-- goes on while there are some — the rest of this directory does the work.

local edits = require "moonport.inspect.edits"
local feed = require "moonport.inspect.feed"
local file = require "moonport.file"
local gauges = require "moonport.inspect.gauges"
local guard = require "moonport.inspect.guard"
local json = require "moonport.json"
local pages = require "moonport.inspect.pages"
local recorder = require "moonport.inspect.recorder"
local recording = require "moonport.inspect.recording"
local requests = require "moonport.inspect.requests"
local ring = require "moonport.inspect.ring"
local script = require "moonport.inspect.script"
local tab = require "moonport.inspect.tab"
local task = require "moonport.task"
local timer = require "moonport.timer"

local RING_EVENTS, RING_BYTES = 5000, 16 * 1024 * 1024
local RECORDING_EVENTS, RECORDING_BYTES = 100000, 128 * 1024 * 1024
local TICK_S = 0.05      -- between two batches of events
local LINGER_S = 5       -- a page that is loaded anew is back by then
local NO_WORDS, FLOOD = 4000, 4008 -- codes of WebSocket that end what is no page of ours
local MESSAGES_MAX = 500 -- of a tab in a second
local WATCHED_MAX = 16
local CONNECTIONS_MAX, ADDRESS_MAX = 1024, 256 -- nobody keeps the others out from one machine,
local STUDENTS_MAX = 200                       -- nor with pages the teacher from the same one

---@class moonport.inspect.Inspector
---@field call table the command line
---@field control string? where the control socket is
---@field mode "live"|"recording"|"class"
---@field file string? the recording that is shown
---@field tabs table<moonport.Conn, moonport.inspect.Tab>
---@field ring moonport.inspect.Ring
local Inspector = {}
Inspector.__index = Inspector

-- What a page may do; who only watches sees the scripts, too.
function Inspector:may(role)
  local teaches, is_live = role.name == "teacher", self.mode ~= "recording"
  return { ask = teaches and is_live, edit = teaches and is_live, write = teaches and is_live,
    record = teaches and is_live, replay = teaches and not is_live, lessons = teaches,
    source = true }
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
    local list, of_students = {}, {}
    for _, each in pairs(self.tabs) do
      local to = each.role.name == "teacher" and list or of_students
      table.move(each.watched, 1, #each.watched, #to + 1, to)
    end
    return table.move(of_students, 1, #of_students, #list + 1, list)
  end
  local function is_wanted() return next(self.tabs) ~= nil end
  while is_wanted() do
    local server = self.feed.server
    if server then gauges(server.control, self.feed, tell, watched, is_wanted) end
    timer.sleep(TICK_S)
  end
end

-- Runs f(self), which ends when there is no tab, unless it runs: one that is about to end goes on
-- where a tab has come meanwhile.
local function keep_on(self, name, f)
  if self.running[name] then return end
  self.running[name] = true
  task.spawn(function()
    while next(self.tabs) do f(self) end
    self.running[name] = false
  end)
end

local function begin(self)
  if self.linger then self.linger:cancel() end
  keep_on(self, "tick", tick)
  if not self.feed then return end
  self.feed:want(true)
  keep_on(self, "poll", poll)
end

-- The last tab is gone, and may be back soon.
local function rest(self)
  if not self.feed or next(self.tabs) then return end
  self.linger = timer.after(LINGER_S, function()
    if not next(self.tabs) then self.feed:want(false) end
  end)
end

-- --- What pages say --------------------------------------------------------------------------

local messages = {}

function messages.resume(self, page, message)
  local language = message.lang == "ko" and "ko" or "en"
  if self.call.options.lang ~= "auto" then language = self.call.options.lang end
  page:resume(self.ring, math.tointeger(message.n) or 0, language, self.mode == "recording")
  page:forget_sent()
  page:send({ t = "hello", mode = self.mode, lang = language, version = self.call.version,
    may = self:may(page.role), seq = self.ring.last, file = self.file,
    server = self.feed and self.feed.server or json.null })
  if self.feed and self.feed.why then page:send({ t = "gone", why = self.feed.why }) end
  if self.told then page:send(self.told) end
  if self.scripts then page:send_text(self.scripts) end
end

function messages.watch(_, page, message)
  page.watched = {}
  for index, id in ipairs(type(message.conns) == "table" and message.conns or {}) do
    if index > WATCHED_MAX then break end
    page.watched[index] = tostring(id)
  end
end

local function answer_to(self, page, message)
  local switch = requests.switches[message.t]
  if not self:may(page.role)[switch] then
    return { ok = false, error = self.mode == "recording" and "a recording cannot be changed"
      or page.role.name ~= "teacher" and "this page only watches"
      or "only a recording can be replayed: moonport inspect FILE opens one" }
  end
  local ok, result = pcall(requests[message.t], self, page, message)
  return ok and result or { ok = false, error = tostring(result) }
end

local function answer(self, page, message)
  local fields = answer_to(self, page, message)
  fields.t, fields.id = "answer", message.id
  fields.lines = json.array(fields.lines or {})
  local text, fault = json.encode(fields)
  if text and page:send_text(text) then return end
  page:send({ t = "answer", id = message.id, ok = false, lines = json.array(),
    error = ("the answer cannot be shown: %s"):format(fault or "it is not all text") })
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

local function is_id(id)
  return math.type(id) == "integer" or type(id) == "string" and #id <= 64
end

function Inspector:hear(conn, text, kind)
  local page = self.tabs[conn]
  if not page or page.is_ending then return end
  local message = kind == "text" and json.decode(text)
  local name = type(message) == "table" and message.t
  if is_flood(page) then
    page.is_ending = true
    conn:close(FLOOD, "too many messages in a second")
  elseif messages[name] and (name == "resume" or page.has_begun) then
    messages[name](self, page, message)
  elseif requests.switches[name] and page.has_begun and is_id(message.id) then
    take_request(self, page, message)
  else
    page.is_ending = true
    conn:close(NO_WORDS, page.has_begun and "no message of the page" or "resume comes first")
  end
end

-- --- HTTP ------------------------------------------------------------------------------------

local function not_found()
  return { status = 404, body = "404: the page has no such file\n",
    headers = guard.headers({ ["content-type"] = "text/plain; charset=utf-8" }) }
end

-- What was recorded last, or is shown.
local function download(self)
  local path = self.recorder and self.recorder.path or self.file
  local status = path and file.stat(path)
  if not status then return not_found() end
  return { headers = guard.headers({ ["content-type"] = "application/jsonl",
    ["content-disposition"] = 'attachment; filename="moonport.jsonl"' }), body = function(write)
    local source <close> = assert(file.open(path))
    for piece in function() return (source:read()) end do
      if not write(piece) then return end
    end
  end }
end

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
  local name = request.path:sub(#role.base + 1)
  if name == "recording" and role.name == "teacher" then return download(self) end
  return pages(name, request, guard.headers) or not_found()
end

function Inspector:is_full_for(role)
  local count = 0
  for _, each in pairs(self.tabs) do
    if each.role == role then count = count + 1 end
  end
  return role.name == "student" and count >= STUDENTS_MAX
end

function Inspector:admit(conn, request)
  local ok, refusal = self.guard:judge(conn, request, true)
  if not ok then return refusal.status end
  local role = self.guard:role(request)
  if not role or request.path ~= role.base .. "ws" then return 403 end
  if self:is_full_for(role) then return 503 end
  conn.role = role
  return { headers = guard.headers() }
end

-- --- Its beginning ---------------------------------------------------------------------------

local function print_addresses(self)
  for _, line in ipairs(self.guard:addresses(self.call.listeners()[1])) do
    io.stdout:write(line, "\n")
  end
  io.stdout:flush()
end

-- A recording is there from the beginning, and all that there is.
local function show_recording(self, path)
  local _, fault = recording.open(path)
  if fault then self.call.refuse(fault) end
  self.mode, self.file = "recording", path
  self.ring = ring.new(RECORDING_EVENTS, RECORDING_BYTES)
  self.edits = script.new(path)
end

local function read_recording(self)
  local why, recorded = recording.read(self.file, self.ring)
  self.told = why and { t = "told", text = why }
  if why then self:tell_all(self.told) end
  if not recorded then return end
  self.edits = script.new(self.file, recorded.name, recorded.text)
  self.scripts = assert(json.encode({ t = "status", status = { phase = "recorded" },
    scripts = json.array { { script = recorded.name, state = "recorded", version = 1,
      in_memory = false, listeners = json.array() } } }))
  for _, each in pairs(self.tabs) do
    if each.has_begun then each:send_text(self.scripts) end
  end
end

local function follow_server(self)
  self.ring = ring.new(RING_EVENTS, RING_BYTES)
  self.edits = edits.new(self.control)
  self.recorder = recorder.new(function(why)
    self:tell_all({ t = "told", text = "the recording ended: " .. why })
  end)
  self.feed = feed.new(self.ring, self.control, function(server, why)
    self:tell_all(server and { t = "back", server = server } or { t = "gone", why = why })
  end)
end

---@param call table the command line, and what src/cli/inspect.c adds to it
return function(call)
  local options = call.options
  local self = setmetatable({ call = call, control = options.control, tabs = {}, running = {},
    mode = options.class and "class" or "live" }, Inspector)
  local fault
  self.guard, fault = guard.new(options.listen, options.class)
  if fault then call.refuse(fault) end
  if call.words[1] then show_recording(self, call.words[1]) else follow_server(self) end
  return {
    frame = "websocket",
    limits = { connections = CONNECTIONS_MAX, per_address = ADDRESS_MAX, message = "1M",
      write_queue = "8M", memory = "768M" },
    timeouts = { idle = 120, first = 10, write = 3600 },
    on_load = function()
      task.spawn(print_addresses, self)
      if self.file then task.spawn(read_recording, self) end
    end,
    on_request = function(conn, request) return self:answer(conn, request) end,
    on_upgrade = function(conn, request) return self:admit(conn, request) end,
    on_open = function(conn)
      self.tabs[conn] = tab.new(conn, conn.role)
      begin(self)
    end,
    on_message = function(conn, text, kind) self:hear(conn, text, kind) end,
    on_close = function(conn)
      self.tabs[conn] = nil
      rest(self)
    end,
  }
end
