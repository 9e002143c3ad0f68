-- moonport.task — functions that run beside each other, and what they hand each other: queues.
-- Knows no connection.
--
-- Who waits at a queue has a place in its line and a gate of its own; who comes to the other end
-- gives the first in line what it waits for, and opens. So turns come in the order of the calls.
-- What each call takes and returns is told in lua/meta/task.lua.

local calls = require "moonport.calls"
local core = require "moonport.task.core"

local MAX_DEFAULT = 1000

-- --- Lines: first in, first out; who is in one may leave it -----------------------------------

local function new_line() return { first = 1, last = 0 } end

local function append(line, value)
  line[line.last + 1] = value
  line.last = line.last + 1
end

-- The first one, which stays, or nil. Those that left are skipped, each once.
local function first_of(line)
  while line.first <= line.last do
    local value = line[line.first]
    if value ~= nil then return value end
    line.first = line.first + 1
  end
end

-- --- Queues -----------------------------------------------------------------------------------

---@class moonport.Queue
---@field private max integer
---@field private count integer of values in it
---@field private values table a line
---@field private getters table a line of turns; empty while there is a value
---@field private putters table a line of turns; empty while there is room
---@field private closed boolean
local Queue = {}
Queue.__index = Queue
Queue.__name = "moonport.queue"

local NONE = {} -- in place of a value

-- A caller that waits: in `line`, at `place`. `value` is what it has to put, until it has, or what
-- it was given to get. Each field is there from the beginning: to set one then takes no memory, so
-- that nobody is half served when there is none.
local Turn = {}

local function new_turn(queue, line, value)
  return setmetatable({ queue = queue, line = line, value = value, place = 0, gate = core.gate() },
    Turn)
end

local function wait(turn, seconds)
  append(turn.line, turn)
  turn.place = turn.line.last
  turn.gate:wait(seconds)
end

-- Gives it to the first of those who wait to get something, if there is one.
local function hand(getters, value)
  local getter = first_of(getters)
  if not getter then return false end
  getter.gate:open()
  getter.value, getters[getters.first] = value, nil
  return true
end

-- Of one that is cancelled, or whose time is up. What it was given and did not get is for the next
-- one, or stands in front again: it was the oldest.
function Turn.__close(turn)
  local queue, line, value = turn.queue, turn.line, turn.value
  if line[turn.place] == turn then line[turn.place] = nil end
  if line ~= queue.getters or value == NONE or hand(line, value) then return end
  local values = queue.values
  values[values.first - 1] = value
  values.first, queue.count = values.first - 1, queue.count + 1
end

local function check_seconds(seconds, index, name)
  calls.check(seconds, index, name, "number", "nil")
  if seconds and not (seconds >= 0 and seconds <= 1e9) then
    calls.refuse(("bad argument #%d to '%s' (must be 0 to 1e9 seconds)"):format(index, name))
  end
end

local function check_value(value, name)
  if value == nil then
    calls.refuse(name .. " takes a value, and nil is none: it is what get() returns at the end")
  end
end

-- True where nobody has to wait.
local function put_now(queue, value)
  if queue.closed then return nil, "closed" end
  if hand(queue.getters, value) then return true end
  if queue.count >= queue.max then return nil, "full" end
  append(queue.values, value)
  queue.count = queue.count + 1
  return true
end

function Queue:put(value, seconds)
  check_value(value, "put")
  check_seconds(seconds, 2, "put")
  local ok, code = put_now(self, value)
  if ok then return true end
  if code == "closed" then return nil, code end
  local turn <close> = new_turn(self, self.putters, value)
  wait(turn, seconds)
  if turn.value == NONE then return true end
  return nil, self.closed and "closed" or "timeout"
end

function Queue:try_put(value)
  check_value(value, "try_put")
  return put_now(self, value)
end

-- Takes the first value; who waits to put one does so then.
local function take(queue, value)
  local values, putters = queue.values, queue.putters
  local putter = first_of(putters)
  if putter then
    putter.gate:open()
    append(values, putter.value)
    putter.value, putters[putters.first] = NONE, nil
  else
    queue.count = queue.count - 1
  end
  values[values.first] = nil
  return value
end

function Queue:get(seconds)
  check_seconds(seconds, 1, "get")
  local value = first_of(self.values)
  if value ~= nil then return take(self, value) end
  if self.closed then return nil, "closed" end
  local turn <close> = new_turn(self, self.getters, NONE)
  wait(turn, seconds)
  value, turn.value = turn.value, NONE
  if value ~= NONE then return value end
  return nil, self.closed and "closed" or "timeout"
end

function Queue:each()
  return function() return (self:get()) end
end

function Queue:close()
  self.closed = true
  for _, line in ipairs { self.getters, self.putters } do
    for turn in first_of, line do
      turn.gate:open()
      line[line.first] = nil
    end
  end
end
Queue.__close = Queue.close

function Queue:__len() return self.count end

local M = { spawn = core.spawn, gate = core.gate }

function M.queue(max)
  if max ~= nil and (math.type(max) ~= "integer" or max < 1) then
    calls.refuse("task.queue takes how many values it holds at most, 1 or more")
  end
  return setmetatable({
    max = max or MAX_DEFAULT,
    count = 0,
    values = new_line(),
    getters = new_line(),
    putters = new_line(),
    closed = false,
  }, Queue)
end

calls.by_colon(Queue, "queue")
calls.by_dot(M, "task")
return M
