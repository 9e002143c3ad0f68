-- moonport.test.tasks — the coroutines of a script: entered, waiting, woken — knows no connection.
--
-- As src/vm/task.c and src/vm/coroutine.c do it: whatever runs runs in a task, which may wait. A
-- wait inside a coroutine of the script's own passes through its resume() to the task.

local create, resume, yield = coroutine.create, coroutine.resume, coroutine.yield
local status, running, isyieldable = coroutine.status, coroutine.running, coroutine.isyieldable
local close = coroutine.close
local pack, unpack = table.pack, table.unpack
local sethook, clock = debug.sethook, os.clock

local WAIT = {} -- what a coroutine yields that waits

---@class moonport.test.Tasks
---@field why_not string? why nothing may wait now
---@field cpu_ms integer? processor time that an entry may use; 0: no limit
---@field private current table? the task that runs
---@field private frames thread[] its coroutine, and those of the script's own inside of it
---@field private waiting table<thread, boolean> the script's coroutines with a wait under way
---@field private all table<table, boolean> the tasks that wait
---@field private after fun() called when a task has run
local Tasks = {}
Tasks.__index = Tasks

---@param after fun() what follows each time that the script ran: the flush
function Tasks.new(after)
  return setmetatable({ frames = {}, all = {}, after = after,
    waiting = setmetatable({}, { __mode = "k" }) }, Tasks)
end

-- The error value as text, whatever it is.
local function text_of(value)
  local ok, text = pcall(tostring, value)
  if ok and type(text) == "string" then return text end
  if type(text) ~= "string" then text = "an error value again" end
  return ("(a %s as error value, and its __tostring raised: %s)"):format(type(value), text)
end

local TAIL_CALLS = "\t(...tail calls...)"

-- A traceback without the lines of moonport.test itself, nor its tail calls.
local function traceback_of(co)
  local lines = {}
  for line in debug.traceback(co):gmatch("[^\n]+") do
    if not line:find("moonport/test/", 1, true) then
      lines[#lines + 1] = line
    elseif lines[#lines] == TAIL_CALLS then
      lines[#lines] = nil
    end
  end
  return table.concat(lines, "\n")
end

local LOOK_INSTRUCTIONS = 10000

-- As the watchdog: raises in whatever runs when the time is used up, and again when that is caught.
local function set_watch(self, co)
  if not self.cpu_ms or self.cpu_ms == 0 then return end
  sethook(co, function()
    if (clock() - self.entered) * 1000 < self.cpu_ms then return end
    error(("used more than limits.cpu_ms = %d of processor time"):format(self.cpu_ms), 2)
  end, "", LOOK_INSTRUCTIONS)
end

local function run(self, task, ...)
  assert(not self.current, "entry into the script never nests")
  task.turn = task.turn + 1
  self.entered = clock()
  self.current, self.frames = task, { task.co }
  self.all[task] = nil
  local results = pack(resume(task.co, ...))
  self.current, self.frames = nil, {}
  if not results[1] then
    local message, traceback = text_of(results[2]), traceback_of(task.co)
    close(task.co)
    if task.owner.on_fail then task.owner.on_fail(message, traceback) end
    return "failed"
  end
  if status(task.co) == "dead" then
    if task.owner.on_done then task.owner.on_done(unpack(results, 2, results.n)) end
    return "done"
  end
  assert(results[2] == WAIT)
  self.all[task] = true
  return "waiting"
end

---Runs `f` with the arguments in a task.
---@param owner { name: string, f: function, conn_id: integer?, on_done: function?,
---on_fail: function?, on_end: function?, on_cancel: function? } the handler's name and function;
---on_done is told what `f` returned; on_end and on_cancel are told only of a task that has waited
---@return "done"|"waiting"|"failed" how
---@return table task
function Tasks:enter(owner, f, ...)
  local task = { co = create(f), owner = owner, turn = 0 }
  set_watch(self, task.co)
  local how = run(self, task, ...)
  self.after()
  return how, task
end

---Goes on where `task` waits.
function Tasks:wake(task)
  local how = run(self, task)
  if how ~= "waiting" and task.owner.on_end then task.owner.on_end(how == "failed") end
  self.after()
end

---Ends it where it waits; its to-be-closed variables are closed.
function Tasks:cancel(task)
  self.all[task] = nil
  task.turn = task.turn + 1
  close(task.co)
  if task.owner.on_cancel then task.owner.on_cancel() end
  self.after()
end

---Ends everything that waits; `why` is what a further wait is told.
function Tasks:cancel_all(why)
  self.why_not = why
  local task = next(self.all)
  while task do
    self:cancel(task)
    task = next(self.all)
  end
end

---The connection whose handler runs.
---@return integer?
function Tasks:conn_id() return self.current and self.current.owner.conn_id end

---@return table? task
function Tasks:running() return self.current end

local THROUGH_C = "it is called through a C function that cannot be interrupted " ..
  "(table.sort, string.gsub, a module loader, a __gc or __close while an error unwinds); " ..
  "wait before or after that call"

local function why_no_wait(self)
  if self.why_not then return self.why_not end
  if not self.current or running() ~= self.frames[#self.frames] then
    return "this is a finalizer or a warning function"
  end
  for _, co in ipairs(self.frames) do
    if not isyieldable(co) then return THROUGH_C end
  end
end

---Raises in the script's line where no wait is possible.
---@param level? integer as of error(), seen from the caller
function Tasks:check_can_wait(level)
  local why = why_no_wait(self)
  if why then error("cannot wait here: " .. why, (level or 1) + 1) end
end

---Waits until somebody wakes the task.
function Tasks:wait()
  self:check_can_wait(2)
  yield(WAIT)
end

-- As coroutine.resume(), but a wait inside of `co` is a wait of the caller.
local function resume_through(self, co, ...)
  set_watch(self, co)
  self.frames[#self.frames + 1] = co
  local results = pack(resume(co, ...))
  self.frames[#self.frames] = nil
  while results[1] and results[2] == WAIT do
    self.waiting[co] = true
    yield(WAIT)
    self.waiting[co] = nil
    self.frames[#self.frames + 1] = co
    results = pack(resume(co))
    self.frames[#self.frames] = nil
  end
  return results
end

local function refusal(self, co)
  if self.waiting[co] then return "cannot resume a coroutine that waits in another handler" end
end

-- The position of the line that called the function that called this, as error() writes it.
local function where()
  local info = debug.getinfo(3, "Sl")
  return info and info.currentline > 0 and info.short_src .. ":" .. info.currentline .. ": " or ""
end

local function wrap(self, f)
  local co = create(f)
  return function(...)
    local refused = refusal(self, co)
    local results = refused and { false, refused } or resume_through(self, co, ...)
    if results[1] then return unpack(results, 2, results.n) end
    local message = results[2]
    if not refused and status(co) == "dead" then close(co) end
    error(type(message) == "string" and where() .. message or message, 0)
  end
end

---The library `coroutine` as a script sees it.
function Tasks:library()
  local library = {}
  for name, value in pairs(coroutine) do library[name] = value end
  function library.resume(co, ...)
    local refused = type(co) == "thread" and refusal(self, co)
    if refused then return false, refused end
    if type(co) ~= "thread" then return resume(co) end -- raises, in Lua's words
    local results = resume_through(self, co, ...)
    return unpack(results, 1, results.n)
  end
  function library.wrap(f)
    if type(f) ~= "function" then return coroutine.wrap(f) end -- raises, in Lua's words
    return wrap(self, f)
  end
  function library.yield(...)
    if #self.frames < 2 then error("attempt to yield from outside a coroutine", 2) end
    return yield(...)
  end
  function library.close(co)
    if self.waiting[co] then error("cannot close a coroutine that waits", 2) end
    return close(co)
  end
  return library
end

return Tasks
