-- Task 22: keeps prices for a client, and says their mean. Messages have 9 bytes each.

local prices = {}

return {
  listen = 12345,
  on_data = function(conn, data)
    local kind, first, second = string.unpack("c1 I4 I4", data)
    if kind == "P" then prices[first] = second end
  end,
}
