-- moonport.cli.lines — the lines of a console, from a terminal or a pipe, and those of earlier
-- consoles — knows no command.

local core = require "moonport.cli.core"
local out = require "moonport.cli.out"

-- --- History: a file of lines ---------------------------------------------------------------
--
-- Lines are appended one at a time, so that two consoles at once lose none of each other's. Nobody
-- but its owner may read it: what was sent to a peer may be a password. A console that cannot keep
-- its history works like any other.

local HISTORY_LINES_MAX = 1000
local HISTORY_BYTES_MAX = 256 * 1024 -- beyond it the file is cut down to its last lines

-- nil: there is no place for it.
local function history_path()
  local state, home = os.getenv("XDG_STATE_HOME") or "", os.getenv("HOME") or ""
  if state:sub(1, 1) == "/" then return state .. "/moonport_history" end
  return home:sub(1, 1) == "/" and home .. "/.moonport_history" or nil
end

-- In a file of its own first: another console may append meanwhile, and loses a line at worst.
local function cut_down(path, kept)
  local file = core.open(path .. ".new", "w")
  if not file then return end
  local written = file:write(table.concat(kept, "\n"), "\n")
  if not (file:close() and written and os.rename(path .. ".new", path)) then
    os.remove(path .. ".new")
  end
end

local function read_history(path)
  local file, all = path and io.open(path), {}
  if not file then return all end
  for line in file:lines() do all[#all + 1] = line end
  local bytes = file:seek("end")
  file:close()
  local kept = table.move(all, math.max(#all - HISTORY_LINES_MAX, 0) + 1, #all, 1, {})
  if bytes and bytes > HISTORY_BYTES_MAX then cut_down(path, kept) end
  return kept
end

local function append_history(path, line)
  local file = path and core.open(path, "a")
  if not file then return end
  file:write(line, "\n")
  file:close() -- one write() of the whole line
end

-- --- Lines that are edited ------------------------------------------------------------------

-- What all of the words begin with.
local function common_of(words)
  local common = words[1] or ""
  for _, word in ipairs(words) do
    while word:sub(1, #common) ~= common do common = common:sub(1, -2) end
  end
  while not utf8.len(common) do common = common:sub(1, -2) end -- no part of a character
  return common
end

local Edited = {}
Edited.__index = Edited

-- The cursor is at the end of what was typed: back to where the prompt stood.
local function go_back(shown)
  local rows = math.tointeger(math.max(out.cells(shown) - 1, 0) // out.width())
  out.put("\r", rows > 0 and ("\27[%dA"):format(rows) or "")
end

-- What the line before the cursor becomes.
function Edited:complete(prompt, before)
  local words = self.names:of(before)
  local typed = before:match("[^ ]*$")
  -- A word that ends in = goes on with a value.
  local whole = #words == 1 and words[1]:sub(-1) ~= "=" and " " or ""
  local rest = common_of(words):sub(#typed + 1) .. whole
  if rest ~= "" or #words == 0 then
    go_back(prompt .. before)
    out.put(#words == 0 and "\a" or "")
  else
    for index, word in ipairs(words) do words[index] = out.shown(word) end
    out.put("\n", out.wrapped(table.concat(words, "  "), 0, "  "), "\n")
  end
  return before .. rest
end

function Edited:next(prompt)
  local before, after = "", ""
  while true do
    out.flush()
    local how, line, rest = self.editor:read(prompt, before, after)
    if how == "line" then
      if line:find("[^ \t]") then
        self.editor:remember(line)
        append_history(self.path, line)
      end
      return line
    elseif how == "dropped" then
      return ""
    elseif how ~= "complete" then
      out.put("\n")
      return nil
    end
    before, after = self:complete(prompt, line), rest
  end
end

function Edited:__close() self.editor:close() end

-- --- Lines as they come ---------------------------------------------------------------------

local Plain = {}
Plain.__index = Plain

function Plain:next(prompt)
  if self.has_prompt then out.put(prompt) end
  out.flush()
  local line = io.read("L")
  return line and line:gsub("[\r\n].*", "")
end

function Plain.__close() end

local M = {}

---Edited, with a history, where both ends are a terminal that can move its cursor (TERM is not
---"dumb") and libedit was there at build time; else as they come. Its next(prompt) gives the next
---line without its newline, "" for one given up, nil at the end.
function M.open(names)
  local is_terminal = core.is_terminal(0) and core.is_terminal(1)
  local editor = is_terminal and os.getenv("TERM") ~= "dumb" and core.editor()
  if not editor then return setmetatable({ has_prompt = is_terminal }, Plain) end
  local path = history_path()
  for _, line in ipairs(read_history(path)) do editor:remember(line) end
  return setmetatable({ editor = editor, names = names, path = path }, Edited)
end

return M
