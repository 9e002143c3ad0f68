-- between_shared.lua — calls of one process on a store, and the processor time that each took: for
-- `moonport run`, with the store's path, the call, how many, and the second to begin in.

local shared = require "moonport.shared"

local path, call, count, begin = arg[1], arg[2], tonumber(arg[3]), tonumber(arg[4])
local store = assert(shared.open("between", { path = path }))
local value = call == "set" and "sixteen bytes ok" or nil

for index = 1, 10000 do store:set("key" .. index, index) end
store:set("n", 0)
while os.time() < begin do end -- both at once, and warm

local since = os.clock()
for _ = 1, count do assert(store[call](store, "n", value)) end
print((os.clock() - since) / count * 1e6)
