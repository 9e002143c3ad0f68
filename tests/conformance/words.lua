-- words.lua — what both players say alike of a play — knows neither sockets nor memory.

local words = {}

local BYTES = 1000

-- The lines of the script's file that a traceback goes through.
local function lines_of(traceback)
  local lines = {}
  for line in (traceback or ""):gmatch("script%.lua:(%d+: in [^\n]*)") do
    lines[#lines + 1] = line
  end
  return table.concat(lines, " ")
end

--- Many bytes in few words.
function words.shorten(bytes)
  if #bytes <= BYTES then return bytes end
  return ("%s… %d bytes …%s"):format(bytes:sub(1, 20), #bytes, bytes:sub(-20))
end

--- A record of the log. How much of a queue the kernel took is its own affair.
function words.record(record)
  return ("%s #%d %s [%s]"):format(record.level, record.conn or 0,
    (record.message:gsub("with [%d.]+ %a+ that its peer", "with … that its peer")),
    lines_of(record.traceback))
end

return words
