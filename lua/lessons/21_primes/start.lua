-- Task 21: says which numbers are prime, a JSON object a line. This one is far too easily pleased.

local json = require "moonport.json"

return {
  listen = 12345,
  on_data = function(conn, data)
    local request = json.decode(data)
    conn:send(json.encode { ask = "prime", prime = request.number % 2 == 1 } .. "\n")
  end,
}
