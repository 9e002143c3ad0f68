-- hint: took a piece of a message for a whole one
-- Takes what one read gives for one message.
local function mean(prices, from, to)
  local sum, count = 0, 0
  for time, price in pairs(prices) do
    if from <= time and time <= to then sum, count = sum + price, count + 1 end
  end
  return count > 0 and sum // count or 0
end

return {
  listen = 12345,
  on_open = function(conn) conn.prices = {} end,
  on_data = function(conn, message)
    local kind, first, second = string.unpack(">c1 i4 i4", message)
    if kind == "P" then
      conn.prices[first] = second
    elseif kind == "M" then
      conn:send(string.pack(">i4", mean(conn.prices, first, second)))
    else
      conn:close()
    end
  end,
}
