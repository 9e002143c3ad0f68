-- stalls.lua — gives more than a peer takes that does not read: deadlines end it.

local block = {}
for index = 1, 1024 do block[index] = ("%07d\n"):format(index) end
local text = table.concat(block) -- 8 KiB, no two lines of it alike

return {
  listen = 1,
  limits = { write_queue = "4M" },
  timeouts = { idle = 3, write = 2, linger = 1 },
  on_data = function(conn, data)
    for _ = 1, data:byte() do conn:send(text) end
  end,
}
