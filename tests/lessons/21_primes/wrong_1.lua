-- hint: A request came in two pieces
-- Takes what one read gives for one request.
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
  on_data = function(conn, line)
    local request = json.decode(line)
    local is_good = type(request) == "table" and request.ask == "prime"
      and math.type(request.number)
    if is_good then
      return conn:send(json.encode { ask = "prime", prime = is_prime(request.number) } .. "\n")
    end
    conn:send(json.encode { error = "malformed" } .. "\n")
    conn:close()
  end,
}
