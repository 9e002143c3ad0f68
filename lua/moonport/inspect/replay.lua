-- moonport.inspect.replay — a recording against a script, in a process of its own that cannot last
-- or grow without end — compares nothing itself: that is `moonport replay`.

local bounded = require "moonport.bounded"
local file = require "moonport.file"
local process = require "moonport.process"

local TIME_S = 30
local BOUNDS = { memory_bytes = 1024 * 1024 * 1024, output_bytes = 1024 * 1024 }
local CUTS = { recorded = true, every = true, random = true }

local function refuse(...) return { ok = false, error = string.format(...) } end

-- A directory of its own with the text as a file, whose name is that of the script it stands for.
local function write_text(name, text)
  local made = process.run { "mktemp", "-d", "-t", "moonport-replay.XXXXXX" }
  local directory = made and made.code == 0 and made.stdout:match("^[^\n]+")
  if not directory then return nil, "no directory for it can be made in $TMPDIR, or /tmp" end
  local path = directory .. "/" .. name
  local function clean()
    os.remove(path)
    os.remove(directory)
  end
  local written, _, detail = file.write(path, text)
  if written then return path, clean end
  clean()
  return nil, ("%s cannot be written: %s"):format(name, detail)
end

-- Why it was ended; nil: it has come to its end.
local function why_ended(child)
  if child.excess == "output" then return "it printed more than 1 MiB" end
  if child.excess == "memory" then return "it took more than 1 GiB of memory" end
  if not child.code then return ("it did not come to its end in %d s"):format(TIME_S) end
end

local function run(recording, script, cut)
  local child <close>, fault = bounded.start({ bounded.program, "replay", bounded.with_parent,
    "--cut", cut, "--log-format", "text", "--", recording, script }, BOUNDS)
  if not child then return refuse("the replay cannot be started: %s", fault) end
  child:wait(TIME_S)
  local why, output = why_ended(child), child:output()
  if why then return { ok = false, error = "the replay was ended: " .. why, output = output } end
  return { ok = true, same = child.code == 0, output = output }
end

-- The fields of an answer to the page.
---@param recording string its path
---@param script string the name that the text goes by
---@param text string
---@param cut string
return function(recording, script, text, cut)
  local name = type(script) == "string" and script:match("[^/%z]*$") or ""
  if not CUTS[cut] then return refuse("cut is one of recorded, every and random") end
  if name:find("^%.?%.?$") or type(text) ~= "string" then
    return refuse("replay against which script?")
  end
  local path, clean = write_text(name, text)
  if not path then return refuse("%s", clean) end
  local answer = run(recording, path, cut)
  clean()
  answer.output = answer.output and answer.output:gsub(path:gsub("%p", "%%%0"),
    (name:gsub("%%", "%%%%")))
  return answer
end
