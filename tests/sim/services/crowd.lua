-- crowd.lua — sends more than it is asked for, and its connections may queue little together.
local sim = require "sim"

return sim.flood(7018, { write_queue = "200K", output = "120K" })
