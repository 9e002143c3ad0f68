-- moonport.test.loading — from a script's text to a version of it, judged by the server's rules —
-- puts none in force.

local address = require "moonport.test.address"
local core = require "moonport.test.core"
local datagrams = require "moonport.test.datagrams"
local environment = require "moonport.test.environment"
local rules = require "moonport.service"
local Version = require "moonport.test.version"

local loading = {}

local function read_file(path)
  local file <close> = io.open(path, "rb")
  return file and file:read("a") or ""
end

-- Without what Lua's own loader skips; or nil and why.
local function compile(path, text, env)
  local chunk, fault
  if text then chunk, fault = load(text, "@" .. path, "t", env) end
  if not text then chunk, fault = loadfile(path, "t", env) end
  if chunk then return chunk end
  local hint = core.syntax_hint(fault, text or read_file(path))
  return nil, hint and fault .. ": " .. hint or fault
end

-- A tail call, so that a traceback says "in main chunk", as that of the server does.
local function call(chunk) return chunk() end

local CPU_MS = 1000 -- until the script has said what it needs

---@class moonport.test.Fault why a version cannot be in force
---@field message string
---@field traceback string?

-- Runs the script in a task, in which nothing may wait. Returns nil and the faults.
local function run(version, path, text)
  local tasks = version.runtime.tasks
  local chunk, fault = compile(path, text, version.env)
  if not chunk then return nil, { { message = fault } } end
  local checked, told, raised
  local cpu_ms = tasks.cpu_ms
  tasks.cpu_ms = CPU_MS
  tasks.why_not = "the script is being loaded; wait in a handler or a timer"
  tasks:enter({
    name = "load", f = chunk, version = version,
    on_fail = function(message, traceback)
      local named = message:sub(1, #path) == path and message or path .. ": " .. message
      raised = { message = named, traceback = traceback }
    end,
  }, function()
    checked, told = rules.read(call(chunk), path, core.nearest, core.frame_fault)
  end)
  tasks.cpu_ms, tasks.why_not = cpu_ms, nil
  if checked or raised then return checked, { raised } end
  for index, message in ipairs(told) do told[index] = { message = message } end
  return nil, told
end

---A version of the script, not yet in force; nil and what is wrong.
---@param runtime moonport.test.Runtime
---@param path string
---@param text string? in place of the file
---@param options { time: number, env: table, modules: table }
---@return moonport.test.Version?
---@return moonport.test.Fault[]? faults
function loading.version(runtime, path, text, options)
  local version = Version.new(runtime)
  version.env = environment(runtime, path:match("^(.*)/[^/]*$") or ".", options)
  local service, faults = run(version, path, text)
  version.service = service
  if service then return version end
  version:free()
  return nil, faults
end

---The faults in the words in which a test is told.
---@param faults moonport.test.Fault[]
function loading.text(faults)
  local lines = {}
  for _, fault in ipairs(faults) do
    lines[#lines + 1] = fault.message
    lines[#lines + 1] = fault.traceback
  end
  return table.concat(lines, "\n")
end

-- --- Where it listens ------------------------------------------------------------------------

local function place_at(runtime, text)
  local where, fault = address.parse(text)
  if not where then return nil, ("cannot listen on %s: %s"):format(text, fault) end
  if where.kind ~= "unix" and where.port == 0 then where.port = runtime:take_port() end
  local hosts = where.kind ~= "unix" and runtime.hosts[where.host]
  if hosts then where.host = hosts[1] end
  where.given = text
  return where
end

local function find_given(places, text)
  for _, where in ipairs(places) do
    if where.given == text then return where end
  end
end

---The places where the service is to listen; those where it listens already stay. Nil and why when
---there is one where it cannot.
---@param texts string|string[]
---@return table[]? places
---@return moonport.test.Fault[]? faults
function loading.places(runtime, texts)
  local places = {}
  for _, text in ipairs(type(texts) == "table" and texts or { texts }) do
    local where, fault = find_given(runtime.places, text), nil
    if not where then where, fault = place_at(runtime, text) end
    if not where then return nil, { { message = fault } } end
    places[#places + 1] = where
  end
  return places
end

---Listens there, and no longer where only the version before did.
function loading.listen(runtime, places)
  for _, where in ipairs(runtime.places) do
    if where.socket and not find_given(places, where.given) then where.socket:close() end
  end
  for _, where in ipairs(places) do
    -- Datagrams have a socket of their own.
    if where.kind == "udp" and not where.socket then
      where.socket = datagrams.serve(runtime, where)
    end
  end
  runtime.places = places
end

return loading
