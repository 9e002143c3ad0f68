-- moonport.cli.completions — moonport completions SHELL: the table as a completion script. What
-- depends on the table is made by a function, and stands in the text of a template.

local out = require "moonport.cli.out"

-- Those of `rows` that are offered to a command, each as format(row), in one text.
local function each(rows, format, glue, command)
  local texts = {}
  for _, row in ipairs(rows) do
    local is_offered = not command or row.name and row.commands[command.name]
    if is_offered and not row.hidden then texts[#texts + 1] = format(row) end
  end
  return table.concat(texts, glue)
end

-- Text for inside single quotes, with a backslash before each of `special`; `quote` stands for one.
local function quoted(text, special, quote)
  return (text:gsub("[" .. special .. "']", function(byte)
    return byte == "'" and quote or "\\" .. byte
  end))
end

local function name_of(row) return row.name end
local function dashed_name_of(row) return "--" .. row.name end
local function takes_value(row) return row.argument ~= nil end
local function choices_of(row) return table.concat(row.choices, " ") end

local function fill(template, parts) return (template:gsub("@(%l+)", parts)) end

-- --- bash -----------------------------------------------------------------------------------

local BASH = [==[
# Completes moonport in bash. Made by `moonport completions bash`.
_moonport() {
  local word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD-1]}
  local command=@default options= kind=
  # bash takes --name=value for three words.
  if [[ $word == = ]]; then word=
  elif [[ $before == = ]]; then before=${COMP_WORDS[COMP_CWORD-2]}; fi
  case $before in
@values
  esac
  if ((COMP_CWORD > 1)); then
    case ${COMP_WORDS[1]} in @alternatives) command=${COMP_WORDS[1]} ;; esac
  fi
  case $command in
@options
  esac
  if [[ $word == -* ]]; then
    mapfile -t COMPREPLY < <(compgen -W "$options" -- "$word")
    return
  fi
  if [[ $kind == scripts ]]; then
    mapfile -t COMPREPLY < <(compgen -f -X '!*.lua' -- "$word"; compgen -d -- "$word")
  fi
  if [[ $kind == commands ]] || ((COMP_CWORD == 1)); then
    mapfile -t -O "${#COMPREPLY[@]}" COMPREPLY < <(compgen -W '@commands' -- "$word")
  fi
}
complete -o filenames -F _moonport moonport]==]

-- What follows an option that takes a value.
local function bash_values(row)
  local choices = #row.choices == 0 and "" or
    ("mapfile -t COMPREPLY < <(compgen -W '%s' -- \"$word\"); "):format(choices_of(row))
  return ("    --%s) %sreturn ;;"):format(row.name, choices)
end

local function bash(call)
  local with_values = {}
  for _, row in ipairs(call.option_rows) do
    if row.name and takes_value(row) then table.insert(with_values, row) end
  end
  return fill(BASH, {
    default = call.command_rows[1].name,
    values = each(with_values, bash_values, "\n"),
    alternatives = each(call.command_rows, name_of, "|"),
    commands = each(call.command_rows, name_of, " "),
    options = each(call.command_rows, function(command)
      local options = each(call.option_rows, dashed_name_of, " ", command)
      local kind = command.kind == "program" and "other" or command.kind
      return ("    %s) options='%s' kind=%s ;;"):format(command.name, options, kind)
    end, "\n"),
  })
end

-- --- zsh ------------------------------------------------------------------------------------

-- Found through fpath, the file is the function's body; sourced, it has to register itself.
local ZSH = [==[
#compdef moonport
# Completes moonport in zsh. Made by `moonport completions zsh`.
_moonport() {
  local -a commands
  commands=(
@commands
  )
  local command=@default
  if ((CURRENT == 2)) && [[ $words[2] != -* ]]; then
    _describe -t commands command commands
  elif [[ -n ${(M)commands:#$words[2]:*} ]]; then
    command=$words[2]
    shift words
    ((CURRENT--))
  fi
  case $command in
@options
  esac
}
if [[ $funcstack[1] == _moonport ]]; then _moonport "$@"; else compdef _moonport moonport; fi]==]

local ZSH_WORDS = {
  scripts = [['*:script:_files -g "*.lua(-.)"']],
  commands = "'1:command:_describe -t commands command commands'",
}

local function zsh_option(row)
  local value = takes_value(row) and (":%s:"):format(row.argument) or ""
  if #row.choices > 0 then value = ("%s(%s)"):format(value, choices_of(row)) end
  return ("        '--%s%s[%s]%s' \\"):format(row.name, takes_value(row) and "=" or "",
    quoted(row.help, "%[%]:\\", "'\\''"), value)
end

local function zsh(call)
  return fill(ZSH, {
    default = call.command_rows[1].name,
    commands = each(call.command_rows, function(command)
      return ("    '%s:%s'"):format(command.name, quoted(command.summary, ":\\", "'\\''"))
    end, "\n"),
    options = each(call.command_rows, function(command)
      return ("    %s)\n      _arguments \\\n%s\n        %s\n      ;;"):format(command.name,
        each(call.option_rows, zsh_option, "\n", command), ZSH_WORDS[command.kind] or "'*: : '")
    end, "\n"),
  })
end

-- --- fish -----------------------------------------------------------------------------------

local FISH = "# Completes moonport in fish. Made by `moonport completions fish`.\n"

-- When a command's options are offered: behind its name; the default's while no other is named.
local function fish_condition(call, command)
  if command ~= call.command_rows[1] then
    return ("'__fish_seen_subcommand_from %s'"):format(command.name)
  end
  local others = { table.unpack(call.command_rows, 2) }
  return ("'not __fish_seen_subcommand_from %s'"):format(each(others, name_of, " "))
end

local function fish_option(condition)
  return function(row)
    return ("complete -c moonport -n %s -l %s%s%s%s -d '%s'"):format(condition, row.name,
      row.letter and " -s " .. row.letter or "", takes_value(row) and " -x" or "",
      #row.choices > 0 and (" -a '%s'"):format(choices_of(row)) or "",
      quoted(row.help, "\\", "\\'"))
  end
end

local function fish_command(call)
  return function(command)
    local condition = fish_condition(call, command)
    local lines = { ("complete -c moonport -n __fish_use_subcommand -a %s -d '%s'"):format(
      command.name, quoted(command.summary, "\\", "\\'")) }
    if command.kind ~= "scripts" then
      lines[2] = "complete -c moonport -f -n " .. condition
    end
    if command.kind == "commands" then
      lines[2] = ("%s -a '%s'"):format(lines[2], each(call.command_rows, name_of, " "))
    end
    lines[#lines + 1] = each(call.option_rows, fish_option(condition), "\n", command)
    return table.concat(lines, "\n")
  end
end

local function fish(call) return FISH .. each(call.command_rows, fish_command(call), "\n") end

local SHELLS = { bash = bash, zsh = zsh, fish = fish }

return function(call)
  local shell = SHELLS[call.words[1]]
  if not shell then
    return out.refuse(call, ('no completions for "%s": there are bash, zsh and fish'):format(
      call.words[1]))
  end
  out.line(shell(call))
  return 0
end
