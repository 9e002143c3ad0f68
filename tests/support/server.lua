-- server.lua — one running moonport: where it listens, what it logs, how it ends — no script.

local cjson = require "cjson"
local client = require "tests.support.client"
local loop = require "tests.support.loop"
local process = require "tests.support.process"

local server = {}

local Server = {}
Server.__index = Server

--- The program under test.
server.program = os.getenv("MOONPORT") or "build/dev/moonport"

local sanitizer_marks = {
  "ERROR: AddressSanitizer", "ERROR: LeakSanitizer", "runtime error:", "WARNING: ThreadSanitizer",
}

--- Raises when `stderr` holds a report of a sanitizer.
function server.assert_no_report(stderr)
  for _, mark in ipairs(sanitizer_marks) do
    if stderr:find(mark, 1, true) then error("a sanitizer reported:\n" .. stderr, 0) end
  end
end

--- A line of the log as a table: { level, message, script, conn, traceback, raw }.
--- Of a line in text format: only { level, message, raw }.
function server.parse_line(line)
  local ok, record = pcall(cjson.decode, line)
  if not ok or type(record) ~= "table" then
    local level, message = line:match("^%d+%-%d+%-%d+ [%d:.]+ (%l+) +(.*)$")
    record = { level = level, message = message or line }
  end
  record.message = record.message or ""
  record.raw = line
  return record
end

function server.parse_log(text)
  local records = {}
  for line in text:gmatch("[^\n]+") do records[#records + 1] = server.parse_line(line) end
  return records
end

-- The last of the log, for messages.
local function log_tail(self)
  return self:log_text():sub(-2000)
end

--- Starts moonport with `args`. Options: `env`, `cwd`, `prefix` (a command that execs the rest),
--- `listeners` (how many addresses to wait for, default 1), `control` (where its control socket is;
--- default: it has none).
function server.start(args, options)
  options = options or {}
  local self = setmetatable({ log = {}, rest = "", clients = {}, expected = {} }, Server)
  local command = {}
  table.move(options.prefix or {}, 1, #(options.prefix or {}), 1, command)
  command[#command + 1] = options.program or server.program
  table.move(args, 1, #args, #command + 1, command)
  local env = { MOONPORT_CONTROL = options.control }
  for name, value in pairs(options.env or {}) do env[name] = value end
  self.process = process.spawn(command, {
    env = env,
    cwd = options.cwd,
    on_output = function(name, chunk) if name == "err" then self:collect(chunk) end end,
  })
  local wanted = options.listeners or 1
  loop.wait_until(function()
    return ("%d addresses to be listened on; the log is:\n%s"):format(wanted, log_tail(self))
  end, function() return #self:addresses() >= wanted or self.process:has_ended() end)
  if self.process:has_ended() then
    error(("moonport ended (exit code %d, signal %d) instead of listening; the log is:\n%s"):format(
      self.process.code, self.process.signal, log_tail(self)), 2)
  end
  if options.control then
    self.control = options.control
    self:wait_for("control socket")
  end
  -- Its socket is there from the beginning, too.
  if env.MOONPORT_METRICS or table.concat(args, " "):find("--metrics", 1, true) then
    self:wait_for("GET /metrics at")
  end
  self.sockets_at_start = self:sockets()
  self.listeners_at_start = wanted
  return self
end

function Server:collect(chunk)
  local text = self.rest .. chunk
  local complete = text:match("^.*\n") or ""
  self.rest = text:sub(#complete + 1)
  for _, record in ipairs(server.parse_log(complete)) do self.log[#self.log + 1] = record end
end

function Server:log_text()
  return self.process:stderr()
end

--- Every address it listens on, or did, in the order of the log.
function Server:addresses()
  local list = {}
  for _, record in ipairs(self.log) do
    local gave_up = record.message:find("no longer listening", 1, true)
    list[#list + 1] = not gave_up and record.message:match("listening on (%S+)$") or nil
  end
  return list
end

function Server:address(index) return self:addresses()[index or 1] end
function Server:port(index) return tonumber(self:address(index):match(":(%d+)$")) end

--- Waits until it has begun to listen on `count` addresses in all; one that it gave up counts too.
function Server:wait_addresses(count)
  loop.wait_until(function()
    return ("%d addresses; the log is:\n%s"):format(count, log_tail(self))
  end, function() return #self:addresses() >= count end)
  self.sockets_at_start = self.sockets_at_start + count - self.listeners_at_start
  self.listeners_at_start = count
end

--- A new client of the server; it is closed with the server at the latest.
function Server:connect(options)
  local peer = client.connect(options and options.address or self:address(), options)
  self.clients[#self.clients + 1] = peer
  return peer
end

local function find(log, pattern)
  for _, record in ipairs(log) do
    if record.message:find(pattern) or (record.traceback or ""):find(pattern) then return record end
  end
end

--- Waits for a log line whose message or traceback matches; returns its record.
function Server:wait_for(pattern)
  return loop.wait_until(function()
    return ("a log line matching %q; the log is:\n%s"):format(pattern, log_tail(self))
  end, function() return find(self.log, pattern) end)
end

--- Allows warnings and errors that match; without it one fails the test.
function Server:allow_log(pattern)
  self.expected[#self.expected + 1] = pattern
end

--- Waits for a warning or an error that matches, allows it, and returns its record.
function Server:expect_log(pattern)
  self:allow_log(pattern)
  return self:wait_for(pattern)
end

--- What the script told with `print("> …")`, in order.
function Server:told()
  local list = {}
  for _, record in ipairs(self.log) do list[#list + 1] = record.message:match("^> (.*)$") end
  return list
end

--- Waits until the script told `what`, a line as it is or so many lines at least; returns all that
--- it told so far.
--- @param what string|integer
function Server:wait_told(what)
  loop.wait_until(function()
    return ("the script to tell %q; the log is:\n%s"):format(what, log_tail(self))
  end, function()
    local told = self:told()
    if math.type(what) and #told >= what then return true end
    for _, line in ipairs(told) do
      if line == what then return true end
    end
  end)
  return self:told()
end

--- How many sockets it has open: listeners and connections.
function Server:sockets()
  local count = 0
  for _, link in ipairs(self.process:descriptors()) do
    if link:find("^socket:") then count = count + 1 end
  end
  return count
end

function Server:descriptors() return #self.process:descriptors() end
function Server:rss() return self.process:rss() end
function Server:cpu_seconds() return self.process:cpu_seconds() end

function Server:signal(name)
  self.ending = self.ending or name == "sigterm" or name == "sigint"
  self.process:signal(name)
end

function Server:wait() return self.process:wait() end

--- Waits until every connection's descriptor is closed again.
function Server:wait_idle()
  loop.eventually(function()
    return ("%d sockets to become %d again"):format(self:sockets(), self.sockets_at_start)
  end, function() return self:sockets() <= self.sockets_at_start end)
end

-- How long a handler takes by the wall clock depends on what else the machine does, and which Lua
-- this is, on its distribution. A build that counts coverage says what it may not write down, as
-- another user.
local machine_noise = {
  "^profiling:.*%.gcda:Cannot open$",
  "^the loop [iw]a?s held up",
  "^Lua 5%.4%.%d lets a script end this process",
}

local function is_expected(self, record)
  for _, pattern in ipairs(machine_noise) do
    if record.message:find(pattern) then return true end
  end
  for _, pattern in ipairs(self.expected) do
    if find({ record }, pattern) then return true end
  end
  return false
end

--- Raises at the first warning or error in the log that no test asked for.
function Server:assert_clean_log()
  server.assert_no_report(self:log_text())
  for _, record in ipairs(self.log) do
    local serious = record.level == "warn" or record.level == "error" or record.level == nil
    if serious and not is_expected(self, record) then
      error("unexpected in the log: " .. record.raw, 0)
    end
  end
end

function Server:close_clients()
  for _, peer in ipairs(self.clients) do peer:close() end
end

--- Ends it with SIGTERM and checks that it ends well: nothing leaked, nothing reported, code 0.
function Server:stop()
  if self.stopped then return end
  self.stopped = true
  self:close_clients()
  if self.process.code == nil and not self.ending then
    self:wait_idle()
    self:signal("sigterm")
  end
  local code, signal = self:wait()
  self:assert_clean_log()
  if code ~= (self.expected_code or 0) or signal ~= 0 then
    error(("moonport ended with code %d and signal %d; the log is:\n%s"):format(code, signal,
      log_tail(self)), 0)
  end
end

--- Kills it, as the kernel does when memory runs out; what it leaves behind is the test's business.
function Server:kill()
  self.stopped = true
  self:close_clients()
  self:signal("sigkill")
  self:wait()
end

--- Ends it in any way; for a test that failed.
function Server:release()
  self:close_clients()
  self.process:release()
end

return server
