-- moonport.lesson — lessons: which there are, their texts, the judge of a learner's script —
-- knows no terminal and no page.
--
-- A lesson is a folder: en.md and ko.md, whose first line is the title and whose first quotation
-- is the summary; start.lua, the script to finish; check.lua (moonport.lesson.judge says what is in
-- it). Those of moonport are assets, named by number or name; one of somebody's own, by a path.

local assets = require "moonport.assets"
local judge = require "moonport.lesson.judge"

local M = {}

---@class moonport.lesson.Lesson
---@field name string "03_stream", or the path of a folder
---@field number integer? of moonport's own
---@field is_task boolean of the ladder that follows the lessons
---@field file string what the learner's script is called: "lesson-03.lua"

local FOLDER = "lessons/"
local LAST_LESSON = 12 -- what comes after it are the tasks of the ladder
local LANGUAGES = { en = true, ko = true }

---The language to speak with somebody whose environment, or browser, asks for this one.
---@param wanted string? "ko", "ko_KR.UTF-8", "ko-KR"
---@return "en"|"ko"
function M.language(wanted)
  local lang = (wanted or ""):lower():match("^%l%l%f[^%l]")
  return LANGUAGES[lang] and lang or "en"
end

local function new_lesson(name)
  local number = math.tointeger(tonumber(name:match("^(%d+)_[%w_]+$")))
  local own = name:gsub("/+$", ""):match("[^/]*$")
  return {
    name = name, number = number, is_task = number ~= nil and number > LAST_LESSON,
    file = number and ("lesson-%02d.lua"):format(number) or own .. ".lua",
  }
end

-- One file of a lesson; nil where it has none.
local function read(lesson, file)
  if lesson.number then return assets.read(FOLDER .. lesson.name .. "/" .. file) end
  local opened <close> = io.open(lesson.name .. "/" .. file)
  return opened and opened:read("a")
end

local function all()
  local lessons = {}
  for _, path in ipairs(assets.names(FOLDER)) do
    local name = path:match("^lessons/(%d+_[%w_]+)/check%.lua$")
    if name then lessons[#lessons + 1] = new_lesson(name) end
  end
  table.sort(lessons, function(a, b) return a.number < b.number end)
  return lessons
end

---@param word string|integer 3, "3", "stream", "03_stream", or a path with a slash in it
---@return moonport.lesson.Lesson? lesson
---@return string? fault
function M.find(word)
  word = tostring(word)
  if word:find("/", 1, true) then
    local lesson = new_lesson(word)
    lesson.number, lesson.is_task = nil, false
    if read(lesson, "check.lua") then return lesson end
    return nil, ("%s is no lesson: a folder with check.lua is one"):format(word)
  end
  for _, lesson in ipairs(all()) do
    local is_it = word == lesson.name or word == lesson.name:match("_(.*)") or
      math.tointeger(tonumber(word)) == lesson.number
    if is_it then return lesson end
  end
  return nil, ("there is no lesson \"%s\": moonport lesson lists them"):format(word)
end

-- Raises for a name that find() has not given.
local function known(name)
  return type(name) == "table" and name or assert(M.find(name))
end

---The text of a lesson, in Markdown.
---@param name string|integer|moonport.lesson.Lesson
---@param lang string?
function M.text(name, lang)
  local lesson = known(name)
  return read(lesson, M.language(lang) .. ".md") or read(lesson, "en.md") or
    ("# %s\n"):format(lesson.name)
end

---@class moonport.lesson.Row: moonport.lesson.Lesson
---@field title string
---@field summary string

---All lessons, in their order.
---@param lang string?
---@return moonport.lesson.Row[]
function M.list(lang)
  local rows = all()
  for _, lesson in ipairs(rows) do
    local text = M.text(lesson, lang)
    lesson.title = text:match("^# ([^\n]*)") or lesson.name
    lesson.summary = text:match("\n> ([^\n]*)") or ""
  end
  return rows
end

---The script to finish.
function M.start(name) return read(known(name), "start.lua") end

---Judges a learner's script, which is run. To be called in a task; it takes 25 seconds at the most.
---@param name string|integer|moonport.lesson.Lesson
---@param source string|{ path: string } the script's text, or where it is
---@param lang string?
---@return { lesson: string, passed: boolean, checks: moonport.lesson.Verdict[], seconds: number }
function M.judge(name, source, lang)
  local lesson = known(name)
  local text = assert(read(lesson, "check.lua"))
  local plan = assert(load(text, "@" .. lesson.name .. "/check.lua", "t"))()
  if type(source) == "string" then source = { text = source } end
  return judge.run(lesson, plan, source, M.language(lang))
end

return M
