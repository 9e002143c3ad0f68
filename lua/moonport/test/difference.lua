-- moonport.test.difference — where two runs of bytes differ, for people: the place, and a hexdump
-- of both around it — does not know whose bytes they are.

local LINE_BYTES = 16
local LINES_BEFORE, LINES_SHOWN = 1, 4

---The offset of the first byte that is not the same, from 0; nil when none is.
local function first(one, other)
  if one == other then return nil end
  local low, high = 0, math.min(#one, #other) -- the same up to `low`; not, or over, after `high`
  while low < high do
    local middle = (low + high + 1) // 2
    if one:sub(low + 1, middle) == other:sub(low + 1, middle) then
      low = middle
    else
      high = middle - 1
    end
  end
  return low
end

local function hexdump_line(bytes, offset)
  local hex = {}
  for index = 1, LINE_BYTES do
    local byte = bytes:byte(offset + index)
    hex[index] = byte and ("%02x"):format(byte) or "  "
  end
  local text = bytes:sub(offset + 1, offset + LINE_BYTES):gsub("[^\x20-\x7e]", ".")
  return ("    %08x  %s  %s  |%s|"):format(offset, table.concat(hex, " ", 1, LINE_BYTES // 2),
    table.concat(hex, " ", LINE_BYTES // 2 + 1), text)
end

---A hexdump of the lines around `offset`.
local function hexdump(bytes, offset)
  if #bytes == 0 then return "    (nothing)" end
  local lines = {}
  local at = math.max(0, (offset // LINE_BYTES - LINES_BEFORE) * LINE_BYTES)
  while at < #bytes and #lines < LINES_SHOWN do
    lines[#lines + 1] = hexdump_line(bytes, at)
    at = at + LINE_BYTES
  end
  if #lines == 0 then return "    (ends before)" end
  return table.concat(lines, "\n")
end

return { first = first, hexdump = hexdump }
