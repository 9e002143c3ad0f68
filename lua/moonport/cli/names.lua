-- moonport.cli.names — what a word of the console may become: commands, connections, scripts.
--
-- Which kind of word stands where is told by the usage of each command, which the server gives.

local out = require "moonport.cli.out"

local M = {}

M.ANSWER_S_MAX = 0.7 -- somebody has pressed Tab and looks at the screen
local WORDS_MAX = 200 -- more are no help

-- The commands of moonport console that the server does not know.
local OWN = {
  { command = "=", usage = "CODE",
    summary = "run Lua in a script's state, and show what it returns: = #conns" },
  { command = "use", usage = "SCRIPT", summary = "run Lua in this script from now on" },
  { command = "watch", usage = "ID",
    summary = "show what happens on a connection, until Enter or Ctrl-C" },
  { command = "quit", usage = "", summary = "end the console; so does Ctrl-D" },
}

---@param about string "": all of them
---@return table[] rows as the server's help has them
function M.own_called(about)
  local rows = {}
  for _, row in ipairs(OWN) do
    if about == "" or about == row.command then rows[#rows + 1] = row end
  end
  return rows
end

---@class moonport.cli.Names
---@field private connect fun(): moonport.ControlClient?
---@field private commands table[]? the lines of the server's help
local Names = {}
Names.__index = Names

-- The lines of an answer; none when the server does not answer soon.
function Names:ask(command)
  local client <close> = self.connect()
  local answer = client and client:ask(command)
  return answer and answer.lines or {}
end

function Names:known_commands()
  if not self.commands then
    local told = self:ask("help")
    if #told == 0 then return OWN end
    self.commands = table.move(OWN, 1, #OWN, #told + 1, told)
  end
  return self.commands
end

local function add(words, text, prefix)
  if #words < WORDS_MAX and text:sub(1, #prefix) == prefix then words[#words + 1] = text end
end

-- By what a usage calls it. Of an ID only digits count, and the point behind a worker: nothing
-- that is typed may act as a pattern.
local kinds = {}

function kinds:ID(words, prefix)
  for _, conn in ipairs(self:ask(("conns id=%s*"):format(prefix:match("^[%d.]*"):sub(1, 20)))) do
    add(words, out.id(conn, "id"), prefix)
  end
end

function kinds:SCRIPT(words, prefix)
  for _, script in ipairs(self:ask("scripts")) do add(words, out.text(script, "name"), prefix) end
end

function kinds:COMMAND(words, prefix)
  for _, row in ipairs(self:known_commands()) do
    local name = out.text(row, "command")
    if name:find("^%a") then add(words, name, prefix) end
  end
end

---What the word that ends at the end of `line` may become.
---@return string[] words
function Names:of(line)
  local words, typed = {}, {}
  for word in (line:gsub("^ +", "") .. "|"):gmatch("[^ ]+") do typed[#typed + 1] = word end
  local prefix = typed[#typed]:sub(1, -2)
  if #typed == 1 then
    kinds.COMMAND(self, words, prefix)
    return words
  end
  local place = 0
  for _, row in ipairs(self:known_commands()) do
    -- "split=" of split=BYTES, and "off": what is to be typed as it stands.
    for token in (row.command == typed[1] and out.text(row, "usage") or ""):gmatch("[^ %[%]|]+") do
      place = place + 1
      if place == #typed - 1 and kinds[token] then
        kinds[token](self, words, prefix)
      elseif token:find("^%l") then
        add(words, token:match("^[^=]*=?"), prefix)
      end
    end
  end
  return words
end

---@param connect fun(): moonport.ControlClient?
function M.new(connect) return setmetatable({ connect = connect }, Names) end

return M
