-- moonport.inspect.replay — a recording against a script, in a process of its own that cannot last
-- or grow without end — compares nothing itself: that is `moonport replay`.

local file = require "moonport.file"
local process = require "moonport.process"
local task = require "moonport.task"
local timer = require "moonport.timer"

local TIME_S = 30
local OUTPUT_BYTES = 1024 * 1024
local MEMORY_BYTES = 1024 * 1024 * 1024
local PAGE_BYTES = 4096
local LOOK_S = 0.1
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

local function resident_bytes(pid)
  local text = file.read(("/proc/%d/statm"):format(pid))
  return text and tonumber(text:match("^%d+ (%d+)")) * PAGE_BYTES or 0
end

-- All that comes of a stream, up to a bound, beyond which the process ends.
local function read_all(stream, child, pieces)
  local size = 0
  for data in function() return (stream:recv()) end do
    size = size + #data
    if size > OUTPUT_BYTES then
      pieces.is_cut = true
      child:kill("SIGKILL")
      return
    end
    pieces[#pieces + 1] = data
  end
end

-- Waits for its end. Why it was ended; or nil, and its exit code.
local function await(child)
  local ends = timer.now() + TIME_S
  while true do
    local code, signal = child:wait(LOOK_S)
    if code or signal and signal ~= "timeout" then return nil, code end
    if timer.now() > ends then
      child:kill("SIGKILL")
      return ("it did not come to its end in %d s"):format(TIME_S)
    elseif resident_bytes(child.id) > MEMORY_BYTES then
      child:kill("SIGKILL")
      return "it took more than 1 GiB of memory"
    end
  end
end

local function run(recording, script, cut)
  local child <close>, _, detail = process.spawn { "/proc/self/exe", "replay", "--with-parent",
    "--cut", cut, "--log-format", "text", "--", recording, script, stdin = "null",
    stderr = "stdout" }
  if not child then return refuse("the replay cannot be started: %s", detail) end
  local pieces = {}
  local reader = task.spawn(read_all, child.stdout, child, pieces)
  local why, code = await(child)
  reader:join(1)
  local output = table.concat(pieces)
  if pieces.is_cut then why = "it printed more than 1 MiB" end
  if why then return { ok = false, error = "the replay was ended: " .. why, output = output } end
  return { ok = true, same = code == 0, output = output }
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
