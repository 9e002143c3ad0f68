-- moonport.cli.ask — moonport status, conns, kick, reload, shutdown: one command to a running
-- server, and its answer.

local control = require "moonport.control"
local out = require "moonport.cli.out"
local print_answer = require "moonport.cli.answers"

return function(call)
  local options = call.options
  local client, fault = control.connect(options.control, { timeout = options.timeout })
  local answer
  if client then
    answer, fault = client:ask({ call.command, table.unpack(call.words) },
      options.json and out.line or nil)
  end
  if not answer then return out.fail(fault) end
  if not options.json then print_answer(call.command, answer) end
  if answer.last.ok == true then return 0 end
  return options.json and 1 or out.fail(out.text(answer.last, "error"))
end
