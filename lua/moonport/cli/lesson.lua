-- moonport.cli.lesson — moonport lesson [LESSON] [--check FILE]: lessons on a terminal, and what
-- the judge found — knows no lesson.

local core = require "moonport.cli.core"
local json = require "moonport.json"
local lesson = require "moonport.lesson"
local out = require "moonport.cli.out"
local task = require "moonport.task"

local HINT_INDENT = 10

local WORDS = {
  en = {
    lessons = "Lessons. moonport lesson 1 begins the first one.",
    ladder = "Tasks, for those who want more:",
    written = "%s is the script to finish.",
    kept = "%s is there already, and stays as it is.",
    next_check = "Edit it, and have it judged:",
    ok = "  ok  ", no = "  no  ",
    happened = "What happened:",
    passed = "Passed.", next_lesson = "Next:", all_done = "That was the last one.",
    not_yet = "Not yet: %d of %d checks passed. Change the script and check it again:",
  },
  ko = {
    lessons = "수업 목록입니다. moonport lesson 1로 첫 수업을 시작하세요.",
    ladder = "더 해 보고 싶은 분을 위한 과제:",
    written = "%s 파일을 만들었습니다. 이 스크립트를 완성하세요.",
    kept = "%s 파일이 이미 있어서 그대로 두었습니다.",
    next_check = "스크립트를 고친 다음 검사하세요:",
    ok = " 통과 ", no = "  아직 ",
    happened = "일어난 일:",
    passed = "통과했습니다.", next_lesson = "다음 수업:", all_done = "마지막 수업까지 마쳤습니다.",
    not_yet = "아직입니다(통과 %d개, 전체 %d개). 스크립트를 고쳐서 다시 검사하세요:",
  },
}

local function environment_language()
  for _, name in ipairs { "LC_ALL", "LC_MESSAGES", "LANG" } do
    local value = os.getenv(name)
    if value and value ~= "" then return value end
  end
end

-- --- Showing ---------------------------------------------------------------------------------

-- Markdown as far as the texts use it: headings, code between fences, `names` in a line.
local function print_text(text)
  local is_code = false
  for line in text:gmatch("([^\n]*)\n") do
    local heading = line:match("^#+ (.*)")
    if line:find("^```") then
      is_code = not is_code
    elseif is_code then
      out.line("    " .. out.coloured(out.shown(line), "green"))
    elseif heading then
      out.line(out.coloured(out.shown(heading), "bold"))
    else
      out.line((out.shown(line):gsub("^> ", ""):gsub("`([^`]+)`", function(name)
        local coloured = out.coloured(name, "yellow")
        return coloured ~= name and coloured or "`" .. name .. "`"
      end)))
    end
  end
end

local function print_rows(rows)
  for _, row in ipairs(rows) do
    out.line(("%3d  %s  %s"):format(row.number, out.padded(row.name:match("_(.*)"), 14),
      out.coloured(row.title, "bold")))
    if row.summary ~= "" then out.line((" "):rep(21) .. out.wrapped(row.summary, 21)) end
  end
end

local function print_list(lang)
  local lessons, tasks = {}, {}
  for _, row in ipairs(lesson.list(lang)) do
    table.insert(row.is_task and tasks or lessons, row)
  end
  out.line(WORDS[lang].lessons .. "\n")
  print_rows(lessons)
  if #tasks > 0 then out.line("\n" .. WORDS[lang].ladder .. "\n") end
  print_rows(tasks)
  return 0
end

-- What to type to have a script checked.
local function check_command(found, path)
  return ("  moonport lesson %s --check %s"):format(found.number or found.name, path)
end

-- Puts the script to finish beside the learner, unless there is one.
local function write_start(found, words)
  local there <close> = io.open(found.file)
  if there then
    out.line(words.kept:format(found.file))
    return true
  end
  local file <close>, fault = io.open(found.file, "w")
  if not file then return false, fault end
  file:write(lesson.start(found) or "")
  out.line(words.written:format(found.file))
  return true
end

local function show(found, lang)
  local words = WORDS[lang]
  print_text(lesson.text(found, lang))
  out.line("")
  local ok, fault = write_start(found, words)
  if not ok then return out.fail("cannot write the script to finish: " .. fault) end
  out.line(words.next_check)
  out.line(check_command(found, found.file))
  return 0
end

-- --- Checking --------------------------------------------------------------------------------

-- With `details` also why it is not passed, and what the judge did.
local function print_verdict(verdict, words, details)
  local mark = verdict.passed and out.coloured(words.ok, "green") or
    out.coloured(words.no, "bright_red")
  out.line(mark .. verdict.name)
  if not details then return end
  local indent = (" "):rep(HINT_INDENT)
  for line in (verdict.hint .. "\n"):gmatch("([^\n]*)\n") do
    out.line(indent .. out.wrapped(out.shown(line), HINT_INDENT))
  end
  if #verdict.steps == 0 then return end
  out.line(out.coloured(indent .. words.happened, "dim"))
  for _, step in ipairs(verdict.steps) do
    out.line(out.coloured(out.fitted(indent .. "  " .. out.shown(step)), "dim"))
  end
end

local function following(found)
  local is_next = false
  for _, row in ipairs(found.number and lesson.list() or {}) do
    if is_next then return row end
    is_next = row.number == found.number
  end
end

local function print_result(result, found, path, lang)
  local words, passed = WORDS[lang], 0
  local has_failed -- the first that fails is the one to mend: what follows may follow from it
  for _, verdict in ipairs(result.checks) do
    print_verdict(verdict, words, not verdict.passed and not has_failed)
    has_failed = has_failed or not verdict.passed
    if verdict.passed then passed = passed + 1 end
  end
  out.line("")
  if result.passed then
    local row = following(found)
    out.line(out.coloured(words.passed, "green") .. " " ..
      (row and ("%s moonport lesson %d"):format(words.next_lesson, row.number)
        or found.number and words.all_done or ""))
    return
  end
  out.line(words.not_yet:format(passed, #result.checks))
  out.line(check_command(found, path))
end

local function check(call, found, lang)
  local path = call.options.check
  local ending <close> = core.ending()
  local result, fault
  local judging = task.spawn(function()
    local ok
    ok, result = pcall(lesson.judge, found, { path = path }, lang)
    if not ok then fault, result = result, nil end
  end)
  task.spawn(function()
    ending:wait()
    judging:cancel()
  end)
  local ended = judging:join()
  if not ended then return 1 end
  if fault then return out.fail(fault) end
  if call.options.json then
    out.line(json.encode(result))
  else
    print_result(result, found, path, lang)
  end
  return result.passed and 0 or 1
end

return function(call)
  local options = call.options
  local lang = lesson.language(options.lang ~= "auto" and options.lang or environment_language())
  local word = call.words[1]
  if not word then
    if options.check or options.json then
      return out.refuse(call, "name the lesson: moonport lesson 3 --check FILE")
    end
    return print_list(lang)
  end
  local found, fault = lesson.find(word)
  if not found then return out.refuse(call, fault) end
  if options.check then return check(call, found, lang) end
  if options.json then return out.refuse(call, "--json is for --check FILE") end
  return show(found, lang)
end
