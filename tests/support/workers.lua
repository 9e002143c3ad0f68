-- workers.lua — what the specs of several workers ask of the system — knows no server.

local workers = {}

--- The processes that a process has begun, and that have not ended.
function workers.children(pid)
  local list = {}
  local file = assert(io.open(("/proc/%d/task/%d/children"):format(pid, pid)))
  for child in file:read("a"):gmatch("%d+") do list[#list + 1] = tonumber(child) end
  file:close()
  return list
end

return workers
