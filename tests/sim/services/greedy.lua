-- greedy.lua — sends back what comes, and wants more memory than it may have.
local server = require "moonport.server"
local sim = require "sim"
local task = require "moonport.task"
local timer = require "moonport.timer"

local acts = {
  function(conn) conn.kept = ("x"):rep(200 * 1000) end,
  function(conn) conn:send(("y"):rep(3 * 1024 * 1024)) end,
  function()
    local list = {}
    for index = 1, 1e6 do list[index] = { index } end
    return list
  end,
  function(conn)
    conn.tasks = {}
    for index = 1, 300 do conn.tasks[index] = task.spawn(timer.sleep, 0.01) end
  end,
  function() server.broadcast(("z"):rep(75 * 1000)) end, -- world.c knows the longest message
  function(conn) conn:recv_until("no such thing") end,
}

return sim.service({
  listen = 7019,
  limits = { versions = 3, write_queue = "64K", message = "600K", memory = "1500K" },
  timeouts = { idle = 2, first = 2, write = 1, linger = 0.5 },
  on_data = function(conn, data)
    local act = acts[(data:byte(-1) + #data) % 12]
    if act then act(conn) end
    conn:send(data)
  end,
  on_error = function(conn) conn:send(("e"):rep(100)) end,
  on_close = function(conn)
    if conn.id % 3 == 0 then conn.last = ("c"):rep(100 * 1000) end
  end,
})
