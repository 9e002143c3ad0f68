-- moonport.cli.help — moonport help [COMMAND]: the table of commands and options for people.

local man = require "moonport.cli.man"
local out = require "moonport.cli.out"

-- Where the right column starts.
local COLUMN = 27

local TITLE = "moonport: a socket server whose behaviour is a Lua script"

local EXIT_CODES = { [0] = "done",
  "the script, the address or the server is at fault; standard error says how",
  "the command line is" }

-- Two columns; a left one that is too long pushes the right one to a line of its own.
local function print_columns(left, right)
  local gap = #left >= COLUMN and "\n" .. (" "):rep(COLUMN) or (" "):rep(COLUMN - #left)
  out.line(left .. gap .. out.wrapped(right, COLUMN))
end

local function print_option(row)
  local letter = row.letter and "-" .. row.letter .. ", " or "    "
  local left = row.name and ("  %s--%s%s"):format(letter, row.name,
    row.argument and " " .. row.argument or "") or ("  %s=%s"):format(row.env, row.argument)
  print_columns(left, row.help)
  local notes = man.notes(row)
  if notes ~= "" then print_columns("", notes) end
end

-- The rows of a command that have an option (`named`), or those that have only a variable.
local function print_options(call, command, heading, named)
  for _, row in ipairs(call.option_rows) do
    if row.commands[command.name] and not row.hidden and (row.name ~= nil) == named then
      if heading then out.line(("\n%s:"):format(heading)) end
      heading = nil
      print_option(row)
    end
  end
end

local function print_command(call, command)
  local name = command == call.command_rows[1] and "[" .. command.name .. "]" or command.name
  out.line(("usage: moonport %s [OPTION...]%s%s\n\n%s"):format(name,
    command.words ~= "" and " " or "", command.words, out.wrapped(command.summary, 0)))
  print_options(call, command, "options", true)
  print_options(call, command, "environment", false)
end

local function print_overview(call)
  local default = call.command_rows[1]
  out.line(TITLE .. "\n\nusage: moonport [COMMAND] [OPTION...] PATH...\n\ncommands:")
  for _, command in ipairs(call.command_rows) do
    if not command.hidden then
      print_columns(("  %s %s"):format(command.name, command.words), command.summary)
    end
  end
  local hint = "Without a command, %s is meant. Each command has a --help of its own."
  out.line("\n" .. out.wrapped(hint:format(default.name), 0))
  print_options(call, default, "options of " .. default.name, true)
  print_options(call, default, "environment", false)
end

return function(call)
  local about
  if call.options.man then
    man.print(call)
    return 0
  end
  for _, command in ipairs(call.command_rows) do
    if command.name == call.words[1] then about = command end
  end
  if call.words[1] and not about then
    return out.refuse(call, ('there is no command "%s"'):format(call.words[1]))
  end
  if about then print_command(call, about) else print_overview(call) end
  out.line("\nexit codes:")
  for code = 0, #EXIT_CODES do
    out.line(("  %d  %s"):format(code, out.wrapped(EXIT_CODES[code], 5)))
  end
  return 0
end
