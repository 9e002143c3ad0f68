-- moonport.cli.ask — moonport status, conns, kick, reload, upgrade, shutdown: one command to a
-- running server, and its answer.

local control = require "moonport.control"
local out = require "moonport.cli.out"
local print_answer = require "moonport.cli.answers"

-- The new process has as long as the server's answer may take, which then has to come still.
local ANSWER_S = 5

local function words_of(call, timeout)
  if call.command == "upgrade" then return { "upgrade", ("%.3f"):format(timeout) } end
  return { call.command, table.unpack(call.words) }
end

return function(call)
  local options, timeout = call.options, call.options.timeout
  local words = words_of(call, timeout)
  if call.command == "upgrade" and timeout > 0 then timeout = timeout + ANSWER_S end
  local client, fault = control.connect(options.control, { timeout = timeout })
  local answer
  if client then
    answer, fault = client:ask(words, options.json and out.line or nil)
  end
  if not answer then return out.fail(fault) end
  if not options.json then print_answer(call.command, answer) end
  if answer.last.ok == true then return 0 end
  return options.json and 1 or out.fail(out.text(answer.last, "error"))
end
