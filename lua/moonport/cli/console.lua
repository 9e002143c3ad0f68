-- moonport.cli.console — moonport console: commands to a running server, a line at a time.
--
-- Each command is a connection of its own: a console that hangs holds nothing of the server, and
-- one whose server was restarted goes on with the next command. What a line means is the server's
-- to say, but for a few commands of the console's own.

local control = require "moonport.control"
local core = require "moonport.cli.core"
local events = require "moonport.cli.events"
local json = require "moonport.json"
local lines = require "moonport.cli.lines"
local names = require "moonport.cli.names"
local out = require "moonport.cli.out"
local print_answer = require "moonport.cli.answers"
local task = require "moonport.task"

---@class moonport.cli.Console
---@field options table<string, any>
---@field is_interactive boolean
---@field script string? chosen by `use`
---@field pid integer? of the server that answered last
---@field failed boolean a command has
---@field ends boolean
---@field next_line fun(prompt: string): string?
local Console = {}
Console.__index = Console

-- --- Asking ---------------------------------------------------------------------------------

function Console:connect(timeout)
  return control.connect(self.options.control, { timeout = timeout or self.options.timeout })
end

-- Says what is wrong with a command before the server is asked. Returns false.
function Console:refuse(text)
  if self.options.json then
    out.line(assert(json.encode({ ok = false, error = text })))
  else
    out.complain(text)
  end
  return false
end

local function print_failure(answer)
  local function put(text)
    io.stderr:write(core.is_terminal(2) and out.coloured(text, "red") or text)
  end
  out.flush()
  put(out.shown_lines(out.text(answer.last, "error")))
  local traceback = out.text(answer.last, "traceback")
  io.stderr:write(traceback ~= "" and "\n  " or "", out.shown_lines(traceback), "\n")
end

local function print_whole(name, answer)
  print_answer(name, answer)
  if answer.last.ok ~= true then print_failure(answer) end
end

-- The whole answer, printed as it comes if `as_it_is`; nil after saying why there is none.
function Console:answer(command, as_it_is)
  local client <close>, fault = self:connect()
  local answer
  if client then answer, fault = client:ask(command, as_it_is and out.line or nil) end
  if not answer then
    out.complain(fault)
    return nil
  end
  if self.pid and self.pid ~= answer.pid then
    out.complain(("another server answers now: pid %d, and no longer %d"):format(answer.pid,
      self.pid))
  end
  self.pid = answer.pid
  return answer
end

-- Asks, and shows the answer as that to the command `name`.
function Console:ask(name, command)
  local answer = self:answer(command, self.options.json)
  if not answer then return false end
  if not self.options.json then print_whole(name, answer) end
  return answer.last.ok == true
end

-- --- Watching -------------------------------------------------------------------------------

function Console:is_gone(id)
  local answer = self:answer("conns id=" .. id)
  return answer and out.number(answer.last, "connections") == 0
end

-- Whether there is nothing more to see of a connection: its close was told, or was dropped.
function Console:is_over(event, id)
  local may_be = event.event == "dropped" or event.event == "worker"
  return id and (event.event == "close" or may_be and self:is_gone(id))
end

function Console:follow(client, next_event, id)
  local before_ns
  if self.options.json then out.line(client.answer_text) end
  while true do
    out.flush()
    local event, line = next_event()
    if not event then return line end
    if self.options.json then out.line(line) else before_ns = events.print(event, before_ns) end
    if self:is_over(event, id) then return nil end
  end
end

-- Tells what `command`, "events conn=7", streams: until Enter or Ctrl-C, until the connection `id`
-- is closed (nil: any may be), or on a pipe until the server ends it.
function Console:watch(command, id)
  local client <close>, fault = self:connect()
  if not client then return self:refuse(fault) end
  local ending <close> = core.ending(self.is_interactive)
  local waiter = task.spawn(function()
    ending:wait()
    client:close()
  end)
  local next_event
  next_event, fault = client:stream(command)
  if next_event then fault = self:follow(client, next_event, id) end
  waiter:cancel()
  if fault then out.complain(fault) end
  return not fault
end

-- --- Commands that are not simply asked: `rest` is what follows the name --------------------

local commands = {}

function Console:evaluate(code)
  if code == "" then
    return self:refuse("run what? Write = and an expression, as in = #conns")
  end
  return self:ask("eval", self.script and { "eval", self.script, code } or { "eval", code })
end

-- `eval CODE`, with the script that was chosen.
function commands:eval(line)
  local words = self.script and core.split(line) or {}
  if #words == 2 then return self:evaluate(words[2]) end
  return self:ask("eval", line)
end

function commands:use(_, name)
  if name == "" then
    return self:refuse("use what? Write use SCRIPT, with a name that scripts lists")
  end
  local answer = self:answer({ "versions", name }, self.options.json)
  if not answer then return false end
  local ok = answer.last.ok == true
  if ok then self.script = name end
  if not ok and not self.options.json then print_whole("use", answer) end
  return ok
end

function commands:watch(_, word)
  local id = word:match("^#?(%d+)$") or word:match("^#?(%d+%.%d+)$")
  if not id then
    return self:refuse("watch what? Write watch ID, with a number that conns lists")
  end
  if self:is_gone(id) then
    return self:refuse(("there is no connection %s (any more): conns lists them"):format(id))
  end
  return self:watch("events conn=" .. id, id)
end

function commands:events(line) return self:watch(line) end

-- The server's commands, and then our own.
function commands:help(line, about)
  local answer = { lines = names.own_called(about), last = { ok = true } }
  if about == "" or #answer.lines == 0 then
    local own = answer.lines
    answer = self:answer(line)
    if not answer then return false end
    table.move(own, 1, #own, #answer.lines + 1, answer.lines)
  end
  if not self.options.json then
    print_whole("help", answer)
  else
    for _, row in ipairs(answer.lines) do out.line(assert(json.encode(row))) end
    out.line(assert(json.encode(answer.last)))
  end
  return answer.last.ok == true
end

function commands:quit()
  self.ends = true
  return true
end
commands.exit = commands.quit

-- Without an ID it ends the server: where somebody may have forgotten it, only after asking.
function commands:shutdown(line, id)
  if self.is_interactive and id == "" then
    local question = "this ends the server, and not a connection: write yes to do it: "
    if self.next_line(question) ~= "yes" then return false end
  end
  return self:ask("shutdown", line)
end

-- --- Lines ----------------------------------------------------------------------------------

-- Does what the line says. False when that failed.
function Console:run(line)
  if line:sub(1, 1) == "=" then return self:evaluate(line:match("^=[ \t]*(.*)")) end
  local name, rest = line:match("^([^ \t]*)[ \t]*(.*)$")
  if commands[name] then return commands[name](self, line, rest) end
  return self:ask(name, line)
end

return function(call)
  local self = setmetatable({ options = call.options, is_interactive = core.is_terminal(0),
    failed = false, ends = false }, Console)
  local completing = names.new(function() return (self:connect(names.ANSWER_S_MAX)) end)
  local source <close> = lines.open(completing)
  self.next_line = function(prompt) return source:next(prompt) end
  while not self.ends do
    local prompt = self.script and ("moonport:%.60s> "):format(self.script) or "moonport> "
    local line = self.next_line(prompt)
    if not line then break end
    line = line:match("^[ \t]*(.-)[ \t]*$")
    if line ~= "" and not self:run(line) then self.failed = true end
  end
  return self.failed and not self.is_interactive and 1 or 0
end
