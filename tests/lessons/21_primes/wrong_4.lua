-- hint: a number in quotes is text
-- Takes a number in quotes for a number.
local json = require "moonport.json"

local function is_prime(number)
  if number < 2 or number % 1 ~= 0 then return false end
  for divisor = 2, math.floor(math.sqrt(number)) do
    if number % divisor == 0 then return false end
  end
  return true
end

return {
  listen = 12345,
  frame = "line",
  on_message = function(conn, line)
    local request = json.decode(line)
    local is_good = type(request) == "table" and request.ask == "prime"
      and tonumber(request.number)
    if is_good then
      local is = is_prime(tonumber(request.number))
      return conn:send_message(json.encode { ask = "prime", prime = is })
    end
    conn:send_message(json.encode { error = "malformed" })
    conn:close()
  end,
}
