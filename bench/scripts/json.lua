-- json.lua — answers every request with a list of twelve things, as JSON of about 1 KiB, made anew.

local json = require "moonport.json"

local function things()
  local list = {}
  for id = 1, 12 do
    list[id] = { id = id, name = "thing number " .. id, price = id + 0.5, tags = { "a", "b" },
      available = id % 2 == 0 }
  end
  return list
end

return {
  frame = "http",
  on_request = function()
    return { headers = { ["content-type"] = "application/json" }, body = json.encode(things()) }
  end,
}
