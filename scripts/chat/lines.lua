-- chat/lines.lua — makes lines to show of bytes that the network cuts anywhere — knows no command.

local LINE_BYTES_MAX = 1000

-- Nothing that one writes may move the cursor or change the colours on another's terminal.
local function harmless(text)
  if not utf8.len(text) then text = text:gsub("[\x80-\xff]", "?") end
  return (text:gsub("%c", ""):gsub("\xc2[\x80-\x9f]", ""))
end

-- Calls on_line(conn, line) for each line whose end is in `data`; false in place of one that is too
-- long. The beginning of the next line stays in conn.rest: so much of it as decides its fate.
return function(conn, data, on_line)
  data = (conn.rest or "") .. data
  local at, line_end = 1, data:find("\n", 1, true)
  while line_end do
    local line = data:sub(at, line_end - 1)
    at = line_end + 1
    on_line(conn, #line <= LINE_BYTES_MAX and harmless(line))
    if conn.state == "closing" then return end
    line_end = data:find("\n", at, true)
  end
  conn.rest = at <= #data and data:sub(at, at + LINE_BYTES_MAX) or nil
end
