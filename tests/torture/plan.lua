-- plan.lua — says which allocation or system call of a server fails next (plan.h) — starts none.

local uv = require "luv"

local plan = {}

local Plan = {}
Plan.__index = Plan

local layout = "<I8I8I8I8i8c16"
local size = string.packsize(layout)
local places = { allocations = 0, calls = size }
local forever = 1 << 62

--- A plan in a file of its own, in which nothing fails.
function plan.new(path)
  local fd = assert(uv.fs_open(path, "w+", tonumber("600", 8)))
  assert(uv.fs_write(fd, ("\0"):rep(2 * size), 0))
  return setmetatable({ path = path, fd = fd }, Plan)
end

--- From now on the `first` to the `last` (default: that one only; true: all that follow) fail.
--- `name` and `error` are for calls: of which, and the errno; without one it does a single byte.
function Plan:fail(part, first, last, name, error)
  if last == true then last = forever end
  local bytes = layout:pack(0, first, last or first, 0, error or 0, name or "")
  assert(uv.fs_write(self.fd, bytes, places[part]))
end

--- Nothing fails any more. Returns how many there were since fail(), and how many failed.
function Plan:relent(part)
  local seen, _, _, failed = layout:unpack(assert(uv.fs_read(self.fd, size, places[part])))
  assert(uv.fs_write(self.fd, ("\0"):rep(size), places[part]))
  return seen, failed
end

function Plan:close() uv.fs_close(self.fd) end

return plan
