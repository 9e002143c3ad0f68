-- scale.lua — an echo beside TIMERS timers, due within FIRE seconds, and a heap of HEAP MB, which a
-- reload hands over.

local timer = require "moonport.timer"

local RECORDS_PER_MB = 4500 -- a table of two fields, a string, and a place in the list

local function setting(name) return tonumber(os.getenv(name) or 0) end

local function records(megabytes)
  local list = {}
  for i = 1, megabytes * RECORDS_PER_MB do list[i] = { id = i, name = "record " .. i } end
  return list
end

local kept

return {
  listen = "127.0.0.1:0",
  limits = { connections = 15000, memory = "1G", cpu_ms = 0 },

  on_load = function(previous)
    kept = previous and previous.state or records(setting("HEAP"))
    local count, fire = setting("TIMERS"), setting("FIRE")
    for i = 1, count do timer.after(fire * i / count + 0.001, function() end) end
  end,
  on_unload = function() return kept end,

  on_data = function(conn, data) conn:send(data) end,
}
