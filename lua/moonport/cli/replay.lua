-- moonport.cli.replay — moonport replay RECORDING SCRIPT: what was recorded, against a script.

local replay = require "moonport.test.replay"

return function(call)
  io.stdout:setvbuf("line") -- what the script prints stands among what it logs
  return replay.run(call.words[1], call.words[2], call.options.cut, call.options.seed)
end
