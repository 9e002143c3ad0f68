-- moonport.test.loop — fake time, and turns in which everything that is ready happens — knows no
-- handler.
--
-- Time stands still until a test moves it. What a test does (bytes, FIN) happens at once: settle()
-- runs turns until nothing is ready any more, as an event loop would before it sleeps.

local TURNS_MAX = 10000 -- without the clock moving: then something goes round in circles

---@class moonport.test.Loop
---@field now_ms integer since the script was loaded
---@field private due function[] for the next turn
---@field private timers table[] in no order
---@field private wires moonport.test.Wire[] that are not gone
---@field private dirty moonport.test.Wire[] with something to flush
---@field private count integer of timers so far: of two that are due together the older one fires
local Loop = {}
Loop.__index = Loop

function Loop.new()
  return setmetatable({ now_ms = 0, due = {}, timers = {}, wires = {}, dirty = {}, count = 0 },
    Loop)
end

---Runs `f` in the next turn.
function Loop:defer(f) self.due[#self.due + 1] = f end

---Calls `f` once, or every `repeat_ms`, until it is stopped.
---@return table timer
function Loop:start_timer(delay_ms, repeat_ms, f)
  self.count = self.count + 1
  local timer = { due_ms = self.now_ms + delay_ms, repeat_ms = repeat_ms, f = f,
    number = self.count }
  table.insert(self.timers, timer)
  return timer
end

local function remove(list, value)
  for index, each in ipairs(list) do
    if each == value then return table.remove(list, index) end
  end
end

function Loop:stop_timer(timer) remove(self.timers, timer) end
function Loop:stop_all_timers() self.timers = {} end
function Loop:add(wire) table.insert(self.wires, wire) end
function Loop:remove(wire) remove(self.wires, wire) end

function Loop:mark_dirty(wire)
  if wire.dirty then return end
  wire.dirty = true
  table.insert(self.dirty, wire)
end

---Writes what was queued since the last flush.
function Loop:flush()
  while #self.dirty > 0 do
    local wire = table.remove(self.dirty, 1)
    wire.dirty = false
    wire:flush()
  end
end

local function turn(self)
  local due, worked = self.due, #self.due > 0
  self.due = {}
  for _, f in ipairs(due) do f() end
  for _, wire in ipairs(table.move(self.wires, 1, #self.wires, 1, {})) do
    worked = wire:poll() or worked
  end
  return worked or #self.due > 0
end

---Lets everything happen that can happen now. Inside of itself it does nothing: the turns that are
---under way will see to it.
function Loop:settle()
  if self.settling then return end
  self.settling = true
  local ok, failure = pcall(function()
    local turns = 0
    self:flush()
    while turn(self) do
      turns = turns + 1
      if turns > TURNS_MAX then
        error(("the script does not come to rest: after %d turns of the loop there is still " ..
          "something to do at once; look for a task, or an echo to itself, without end")
          :format(TURNS_MAX), 0)
      end
    end
  end)
  self.settling = false
  if not ok then error(failure, 0) end
end

-- What is due first and not later than `until_ms`: its time, and a function that does it.
local function next_due(self, until_ms)
  local best_ms, best, number = until_ms + 1, nil, 0
  for _, timer in ipairs(self.timers) do
    local sooner = timer.due_ms < best_ms
    if sooner or best and timer.due_ms == best_ms and timer.number < number then
      best_ms, best, number = timer.due_ms, timer, timer.number
    end
  end
  for _, wire in ipairs(self.wires) do
    local due_ms = wire:due_ms()
    if due_ms and due_ms < best_ms then best_ms, best = due_ms, wire end
  end
  return best_ms, best
end

local function fire(self, timer)
  if timer.repeat_ms then
    timer.due_ms = timer.due_ms + timer.repeat_ms
  else
    self:stop_timer(timer)
  end
  timer.f()
end

---Moves the clock, and stops at each timer and deadline on the way.
function Loop:advance(ms)
  local until_ms = self.now_ms + ms
  self:settle()
  while true do
    local due_ms, due = next_due(self, until_ms)
    if not due then break end
    self.now_ms = math.max(self.now_ms, due_ms)
    if due.f then fire(self, due) else due:on_due() end
    self:settle()
  end
  self.now_ms = until_ms
end

return Loop
