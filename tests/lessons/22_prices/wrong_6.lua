-- hint: everything after it would be misread
-- Looks through what it has no answer to, and waits for more.
local function mean(prices, from, to)
  local sum, count = 0, 0
  for time, price in pairs(prices) do
    if from <= time and time <= to then sum, count = sum + price, count + 1 end
  end
  return count > 0 and sum // count or 0
end

return {
  listen = 12345,
  frame = { fixed = 9 },
  on_open = function(conn) conn.prices = {} end,
  on_message = function(conn, message)
    local kind, first, second = string.unpack(">c1 i4 i4", message)
    if kind == "P" then
      conn.prices[first] = second
    elseif kind == "M" then
      conn:send(string.pack(">i4", mean(conn.prices, first, second)))
    end
  end,
}
