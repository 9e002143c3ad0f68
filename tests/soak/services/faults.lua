-- faults.lua — does wrong what a script can do wrong, once it is asked to.

local faults = {}

local value = setmetatable({}, { __tostring = function() return "provoked" end })

function faults.raise() error(value) end
function faults.loop() while true do end end
function faults.hog()
  local text = "provoked"
  while true do text = text .. text end
end
function faults.deep(conn)
  local function down(level) return 1 + down(level + 1) end
  conn:send(tostring(down(1)))
end

return {
  listen = 1,
  limits = { memory = "8M", cpu_ms = 30 },
  on_data = function(conn, data)
    conn:send(data)
    faults[data:match("^%l+")](conn)
  end,
}
