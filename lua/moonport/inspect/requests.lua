-- moonport.inspect.requests — what a page asks for and is answered, by name — knows no
-- connection of it.

local asks = require "moonport.inspect.asks"
local json = require "moonport.json"
local lesson = require "moonport.lesson"
local replay = require "moonport.inspect.replay"

local M = {}

local function refuse(...) return { ok = false, error = string.format(...) } end

local function language_of(page, message)
  return type(message.lang) == "string" and message.lang or page.language
end

function M.ask(inspector, _, message) return asks.ask(inspector.control, message) end

-- --- Scripts ---------------------------------------------------------------------------------

function M.source(inspector, _, message) return inspector.edits:source(message) end

function M.check(inspector, _, message) return inspector.edits:check(message) end

-- Another teacher's page is told, too, that the text is another one.
local function tell_edited(inspector, page, message, answer)
  if not answer.ok then return answer end
  local line = answer.lines and answer.lines[1] or {}
  answer.version = line.version
  for _, each in pairs(inspector.tabs) do
    if each.has_begun then
      each:send({ t = "edited", how = message.t, script = line.script or answer.script,
        by = each == page and "you" or "other", in_memory = line.in_memory == true,
        version = line.version })
    end
  end
  return answer
end

for _, name in ipairs { "apply", "rollback", "write" } do
  M[name] = function(inspector, page, message)
    return tell_edited(inspector, page, message, inspector.edits[name](inspector.edits, message))
  end
end

-- --- Recordings ------------------------------------------------------------------------------

function M.record(inspector, _, message)
  if message.on then return inspector.recorder:start(inspector.control) end
  return inspector.recorder:stop()
end

function M.replay(inspector, _, message)
  local recorded, text = inspector.edits, message.text
  local script = message.script or recorded.name
  if not text then
    local source = recorded:source()
    if not source.ok then return source end
    text = source.text
  end
  return replay(inspector.file, script, text, message.cut or "recorded")
end

-- --- Lessons ---------------------------------------------------------------------------------

function M.lessons(_, page, message)
  local list = json.array()
  for index, row in ipairs(lesson.list(language_of(page, message))) do
    list[index] = { name = row.name, number = row.number, title = row.title,
      summary = row.summary, file = row.file, kind = row.is_task and "task" or "lesson" }
  end
  return { ok = true, lessons = list }
end

-- One of moonport's own: a page names no folder of this machine.
local function find(message)
  local name = message.name
  if type(name) ~= "string" or name:find("/", 1, true) then return nil, "which lesson?" end
  return lesson.find(name)
end

function M.lesson(_, page, message)
  local found, fault = find(message)
  if not found then return refuse("%s", fault) end
  local text = lesson.text(found, language_of(page, message))
  return { ok = true, name = found.name, file = found.file, text = text,
    title = text:match("^# ([^\n]*)"), start = lesson.start(found) }
end

function M.judge(_, page, message)
  local found, fault = find(message)
  if not found then return refuse("%s", fault) end
  if type(message.text) ~= "string" then return refuse("the script to judge is missing") end
  local result = lesson.judge(found, message.text, language_of(page, message))
  local checks, hints, output = json.array(), json.array(), {}
  for index, verdict in ipairs(result.checks) do
    checks[index] = { text = verdict.name, ok = verdict.passed, hint = verdict.hint,
      steps = json.array(verdict.steps) }
    if not verdict.passed and #hints == 0 then -- what follows may follow from it
      hints[1] = verdict.hint
      output = verdict.steps
    end
  end
  return { ok = true, passed = result.passed, checks = checks, hints = hints,
    output = #output > 0 and table.concat(output, "\n") or nil, seconds = result.seconds }
end

-- What may be asked, by a switch of hello's `may`; what is in none of them, whoever sees the page.
M.switches = {
  ask = "ask", source = "source", check = "source", apply = "edit", rollback = "edit",
  write = "write", record = "record", replay = "replay", lessons = "lessons", lesson = "lessons",
  judge = "lessons",
}

return M
