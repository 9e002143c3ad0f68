-- networks.lua — echo for all but a hundred networks, for bench/run.

local deny = {}
for index = 1, 100 do deny[index] = ("10.%d.0.0/16"):format(index) end

return {
  deny = deny,
  on_data = function(conn, data) conn:send(data) end,
}
