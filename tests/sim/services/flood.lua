-- flood.lua — sends more than it is asked for, whether it is taken or not.
local sim = require "sim"

return sim.flood(7010, { write_queue = "100K", output = "2M" })
