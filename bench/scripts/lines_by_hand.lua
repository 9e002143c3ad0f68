-- lines_by_hand.lua — what lines.lua does, with the splitter written in Lua: the same lines, the
-- same limit, one reply each. As fast as we could make it.

local byte, find, sub = string.byte, string.find, string.sub

local CR = 13
local LINE_BYTES_MAX = 1 << 20

local function on_line(conn, line)
  conn:send(line .. "\n")
end

local function without_cr(line)
  return byte(line, -1) == CR and sub(line, 1, -2) or line
end

return {
  on_data = function(conn, data)
    local rest = conn.rest
    if rest then data = rest .. data end
    local from = 1
    local stop = find(data, "\n", from, true)
    while stop do
      on_line(conn, without_cr(sub(data, from, stop - 1)))
      from = stop + 1
      stop = find(data, "\n", from, true)
    end
    local left = #data - from + 1
    if left > LINE_BYTES_MAX then return conn:close() end
    if left > 0 then
      conn.rest = sub(data, from)
    elseif rest then
      conn.rest = nil
    end
  end,
}
