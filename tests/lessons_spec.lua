-- lessons_spec.lua — every lesson: its answers pass, its wrong answers fail with the hint that
-- names the misunderstanding, and both languages have the same to say — not how the command looks.

local read_file = require "tests.support.read_file"
local rig = require "tests.support.rig"
local server = require "tests.support.server"
local shell = require "tests.support.shell"
local uv = require "luv"

local TEXT_LINES_MAX, TEXT_CELLS_MAX = 45, 80
local AT_ONCE = 8 -- judges; they mostly wait
local WRONG_MIN = 3

local function names_in(folder)
  local names = {}
  for name in uv.fs_scandir_next, assert(uv.fs_scandir(folder)) do names[#names + 1] = name end
  table.sort(names)
  return names
end

-- Cells of a line on a terminal; what is Korean takes two.
local function cells(line)
  local sum = 0
  for _, code in utf8.codes(line) do
    local is_wide = code >= 0x1100 and code <= 0x115f or code >= 0x2e80 and code <= 0xffe6
    sum = sum + (is_wide and 2 or 1)
  end
  return sum
end

-- Judges the files, several at once; a list of { path =, result =, code = }.
local function judge_all(moonport, lesson, paths)
  local running, judged = {}, {}
  local function take()
    local first = table.remove(running, 1)
    local code = first.child:wait()
    server.assert_no_report(first.child:stderr())
    assert.equal("", first.child:stderr())
    judged[#judged + 1] = { path = first.path, code = code, told = first.child:stdout() }
  end
  for _, path in ipairs(paths) do
    if #running == AT_ONCE then take() end
    running[#running + 1] = { path = path, child = moonport:spawn(
      { server.program, "lesson", lesson, "--check", path, "--json" }) }
  end
  while #running > 0 do take() end
  return judged
end

-- The hints of what failed, as JSON has them.
local function hints_of(told)
  local hints = {}
  for hint in told:gmatch('"hint":"(.-[^\\])"[,}]') do
    hints[#hints + 1] = hint:gsub('\\(["\\])', "%1")
  end
  return table.concat(hints, "\n")
end

describe("The lessons", function()
  local moonport = rig.new()

  for _, name in ipairs(names_in("lua/lessons")) do
    local folder = "lua/lessons/" .. name .. "/"
    local answers = "tests/lessons/" .. name .. "/"
    local plan = assert(loadfile(folder .. "check.lua", "t", setmetatable({
      -- What a plan requires is there when it is run; here it is only read.
      require = function() return {} end,
    }, { __index = _G })))()

    it(name .. ": answers pass, the start and the wrong answers do not", function()
      local paths, wrong = { folder .. "start.lua" }, 0
      for _, file in ipairs(names_in(answers)) do
        paths[#paths + 1] = answers .. file
        if file:find("^wrong") then wrong = wrong + 1 end
      end
      assert.is_true(wrong >= WRONG_MIN, "at least three wrong answers")
      for _, judged in ipairs(judge_all(moonport, name, paths)) do
        local is_answer = judged.path:find("answer[^/]*$") ~= nil
        local message = judged.path .. ":\n" .. judged.told
        assert.equal(is_answer and 0 or 1, judged.code, message)
        assert.truthy(judged.told:find('"passed":' .. tostring(is_answer), 1, true), message)
        local expected = read_file(judged.path):match("^%-%- hint: ([^\n]*)")
        if expected then
          assert.truthy(hints_of(judged.told):find(expected, 1, true), expected .. message)
        elseif judged.path:find("wrong") then
          error(judged.path .. " names no hint in its first line")
        end
      end
    end)

    it(name .. ": says the same in English and in Korean", function()
      for _, words in pairs(plan.hints) do
        local order = words.ko:find("%%%d%$") and "%%%d?%$?(%a)" or "%%(%a)"
        local kinds = { en = {}, ko = {} }
        for lang, list in pairs(kinds) do
          for kind in words[lang]:gsub("%%%%", ""):gmatch(order) do list[#list + 1] = kind end
          table.sort(list)
        end
        assert.same(kinds.en, kinds.ko, words.en)
        assert.truthy(words.ko:find("[\234-\237][\128-\191][\128-\191]"), words.ko)
      end
      for _, check in ipairs(plan.checks) do
        assert.is_string(check.en)
        assert.truthy(check.ko:find("[\234-\237][\128-\191][\128-\191]"), check.ko)
      end
    end)

    it(name .. ": has a text of one screen in both languages, with the same parts", function()
      local parts = {}
      for _, lang in ipairs { "en", "ko" } do
        local count = { headings = 0, fences = 0, quotes = 0, lines = 0 }
        for line in read_file(folder .. lang .. ".md"):gmatch("([^\n]*)\n") do
          count.lines = count.lines + 1
          assert.truthy(line:find("^> ") or cells(line) <= TEXT_CELLS_MAX, line)
          if line:find("^#") then count.headings = count.headings + 1 end
          if line:find("^```") then count.fences = count.fences + 1 end
          if line:find("^> ") then count.quotes = count.quotes + 1 end
        end
        assert.is_true(count.lines <= TEXT_LINES_MAX, ("%s: %d lines"):format(lang, count.lines))
        count.lines = nil
        parts[lang] = count
      end
      assert.same(parts.en, parts.ko)
      assert.equal(1, parts.en.headings)
      assert.equal(1, parts.en.quotes)
    end)

    it(name .. ": uses every hint that it has", function()
      local text = read_file(folder .. "check.lua")
      for key in pairs(plan.hints) do
        assert.truthy(text:find('"' .. key .. '"', 1, true), "nobody gives the hint " .. key)
      end
    end)
  end

  -- What the judge does in place of it is in the lesson; this machine's namespaces are taken away.
  it("02_container: judges without namespaces, too, and says that it simulates", function()
    local folder = moonport:directory()
    folder:write("unshare", "#!/bin/sh\nexit 1\n")
    assert(uv.fs_chmod(folder:join("unshare"), 493))
    local own_network = shell.words(shell.unshare("n"), "sh", "-c",
      'ip link set lo up; PATH="$0:$PATH" exec "$@"', folder.path)
    for file, hint in pairs { answer = "", wrong_1 = "A container has a localhost of its own",
      wrong_2 = "The administrators' door stands open" } do
      local result = moonport:run({ "lesson", "2", "--check",
        "tests/lessons/02_container/" .. file .. ".lua", "--json" }, { prefix = own_network })
      assert.equal(hint == "" and 0 or 1, result.code, result.stdout)
      assert.truthy(hints_of(result.stdout):find(hint, 1, true), result.stdout)
      assert.truthy(result.stdout:find("so this is simulated", 1, true), result.stdout)
    end
  end)
end)
