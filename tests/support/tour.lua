-- tour.lua — holds what a page says of the sources against the sources — judges no prose.
--
-- What it understands, in Markdown that reads as it is:
--   `net/conn.c`                     there is such a file; the last parts of its path are enough
--   `conn_close()`                   src/ or lua/ has a function of that name, or calls it
--   `conn_close()` in `net/conn.c`   it is defined there; also `struct conn`, also (`net/conn.c`);
--                                    other names stand there
--   `a()` calls `b()`                so it does, in the sense of walks, below
--   `a()` asserts `x > 0`            assert(x > 0) stands in the body of a
--   50 ms (`WHEEL_TICK_MS`)          that constant has this value; also 4 KiB (…)
-- and walks: blocks of which each line is a file, a function that is defined there, and what it
-- does. The file is left out where it is that of the line above. A function that stands further in
-- is called by the nearest one above it that stands less far in: straight, through others of the
-- caller's file, or through a pointer that is set to it somewhere; those that one function calls
-- stand in the order of its body.

local c_source = require "tests.support.c_source"

local tour = {}

local ENDINGS = { c = true, h = true, lua = true, js = true, md = true, cmake = true }
local PLACES = { "", "src/", "lua/moonport/" }

-- --- The sources --------------------------------------------------------------------------------

local Sources = {}
Sources.__index = Sources

local function note_words(words, text)
  for word in text:gmatch("[%a_][%w_]*") do words[word] = true end
end

-- What a file of src/ defines: of its own, and for all.
local function note_functions(self, path, text)
  local bare, own = c_source.bare(text), {}
  c_source.each_definition(bare, function(name, is_static, body)
    own[name] = { path = path, body = body }
    if not is_static or path:find("%.h$") then self.shared[name] = own[name] end
  end)
  self.bare[path], self.own[path] = bare, own
end

-- Which functions fields are set to, as "on_close=conn_on_close src/api/conn_events.c".
local function note_pointers(self, path, bare)
  for field, value in bare:gmatch("%.([%a_][%w_]*) = ([^,;{}]*)") do
    for name in value:gmatch("[%a_][%w_]*") do
      local target = self:lookup(path, name)
      if target then self.pointers[field .. "=" .. name .. " " .. target.path] = true end
    end
  end
end

--- What `files` define.
--- @param files table<string, string> path, from the root of the repository, to contents
function tour.sources(files)
  local self = setmetatable({ files = files, words = {}, bare = {}, own = {},
    shared = {}, pointers = {} }, Sources)
  for path, text in pairs(files) do
    local is_checked = path:find("%.md$") or path == "tests/architecture_spec.lua"
    if not is_checked then note_words(self.words, text) end
    if path:find("^src/.*%.[ch]$") then note_functions(self, path, text) end
  end
  for path, bare in pairs(self.bare) do note_pointers(self, path, bare) end
  return self
end

-- The path in the repository that a page means, or nil: its last part may be enough. A name in
-- capitals and an asterisk are anything.
function Sources:find(path)
  for _, place in ipairs(PLACES) do
    if self.files[place .. path] then return place .. path end
  end
  local pattern = path:gsub("[%.%-]", "%%%0"):gsub("%*", ".-"):gsub("%f[%w_]%u+%f[^%w]", ".-")
  local ending = path:find("/$") and "" or "$"
  for known in pairs(self.files) do
    if ("/" .. known):find("/" .. pattern .. ending) then return known end
  end
  return nil
end

-- The function that `name` is for who stands in `path`.
function Sources:lookup(path, name)
  return self.own[path][name] or self.shared[name]
end

-- Where in the body of `caller` it first gets to the function `name` of the file `path`; nil:
-- nowhere.
function Sources:reaches(caller, name, path, seen)
  seen = seen or {}
  if not caller.body or seen[caller] then return nil end
  seen[caller] = true
  for at, word in caller.body:gmatch("()%f[%w_]([%a_][%w_]*)") do
    local called = self:lookup(caller.path, word)
    if word == name and called and called.path == path then return at end
    local field = word:match("^transport_%l+_(%l[%l_]*)$") or word
    local is_call = caller.body:find("^%s*%(", at + #word)
    if is_call and self.pointers[field .. "=" .. name .. " " .. path] then return at end
    local is_inner = called and (called.path == caller.path or called.path:find("%.h$"))
    if is_inner and self:reaches(called, name, path, seen) then return at end
  end
  return nil
end

-- Whether the file defines the struct, the enum or the function `name()`. Of another name, and
-- outside of src/, it is enough that the word is there.
function Sources:defines(path, name)
  local word = name:match("^[%w_ ]+")
  if not self.own[path] then
    return self.files[path]:find("%f[%w_]" .. word .. "%f[^%w_]") ~= nil
  end
  if word:find("^%l+ ") then return self.bare[path]:find(word .. " {", 1, true) ~= nil end
  local found = self.own[path][word]
  if name:find("%(%)$") then return found ~= nil and found.body ~= nil end
  return found ~= nil or self.bare[path]:find("%f[%w_]" .. word .. "%f[^%w_]") ~= nil
end

-- --- Walks --------------------------------------------------------------------------------------

-- Calls visit(row) for each line, and tell(number, why) for one that is none; a row has path, name,
-- column, comment, and the number of its line.
local function each_row(block, visit, tell)
  local path
  for number, line in block:gmatch("(%d+):([^\n]*)\n") do
    local file, at, name, comment = line:match("^([%w_/%.]*)%s+()([%a_][%w_]*)(.*)")
    if not name then return tell(tonumber(number), "is no line of a walk: " .. line) end
    if file ~= "" then path = file end
    visit({ path = path, name = name, column = at, line = tonumber(number), comment = comment })
  end
end

local function judge_row(sources, row, callers, tell)
  local path = sources:find(row.path)
  if not path then return tell(row.line, "there is no " .. row.path) end
  row.path = path
  for name in row.comment:gmatch("%f[%w_]([%l_][%w_]*)%(%)") do
    if not sources.words[name] then tell(row.line, "nothing is called " .. name) end
  end
  if not path:find("%.[ch]$") then
    if not sources:defines(path, row.name) then tell(row.line, path .. " has no " .. row.name) end
    return
  end
  row.is = sources.own[path][row.name]
  if not row.is then return tell(row.line, ("%s does not define %s"):format(path, row.name)) end
  local caller = callers[#callers]
  if not caller or not caller.is then return end
  local at = sources:reaches(caller.is, row.name, path)
  if not at then
    return tell(row.line, ("%s does not call %s of %s"):format(caller.name, row.name, path))
  end
  if at < (caller.reached or 0) then
    tell(row.line, ("%s calls %s before what stands above it"):format(caller.name, row.name))
  end
  caller.reached = at
end

local function judge_walk(sources, block, tell)
  local callers = {}
  each_row(block, function(row)
    while callers[1] and callers[#callers].column >= row.column do table.remove(callers) end
    judge_row(sources, row, callers, tell)
    callers[#callers + 1] = row
  end, tell)
end

local function is_walk(block)
  local after = block:match("^%d+:[%w_/]+%.%l+ +[%a_][%w_]*()")
  return after ~= nil and (block:find("^\n", after) or block:find("^  ", after)) ~= nil
end

-- --- Prose --------------------------------------------------------------------------------------

local function is_path(code)
  if code:find("^build/") then return false end -- what is built may not be there
  if code:find("[ ()<>$]") or code:find("^/") or code:find("^~") then return false end
  local ending = code:match("^[%w_*%-./]+%.(%l+)$")
  return ending and ENDINGS[ending] or code:find("^[%w_*%-]+/[%w_*%-/]*$") and code:find("/$")
end

local function judge_code(sources, code, tell)
  if is_path(code) then
    if not sources:find(code) then tell("there is no " .. code) end
    return
  end
  local name = code:match("^struct ([%w_]+)$")
  if name then
    local is_there = false
    for _, bare in pairs(sources.bare) do
      is_there = is_there or bare:find(code .. " {", 1, true) ~= nil
    end
    if not is_there then tell("there is no " .. code) end
    return
  end
  for word in code:gsub("%-D", ""):gmatch("%f[%w_][%a_][%w_]*_[%w_]*") do
    local is_foreign = word:find("^uv_") and word == code or word:find("^_") or word:find("_$")
      or word:find("^NAME")
    if not is_foreign and not sources.words[word] then tell("nothing is called " .. word) end
  end
  name = code:match("^(%a%w*)%(%)$") -- without _
  if name and not sources.words[name] then tell("nothing is called " .. name) end
end

-- The function that a sentence means: in `path`, if it says so, or the one that there is.
function Sources:mean(name, path)
  if path then
    path = self:find(path)
    return path and self.own[path] and self.own[path][name]
  end
  if self.shared[name] and self.shared[name].body then return self.shared[name] end
  local only
  for _, own in pairs(self.own) do
    local found = own[name]
    if found and found.body then
      if only then return nil end
      only = found
    end
  end
  return only
end

local function judge_places(sources, text, tell)
  local function judge(name, path)
    local known = is_path(path) and sources:find(path)
    if known and not is_path(name) and not sources:defines(known, name) then
      tell(("%s does not define %s"):format(known, name))
    end
  end
  for name, path in text:gmatch("`([%l%u_][%w_ ]*%(?%)?)` in `([^`]+)`") do judge(name, path) end
  for name, path in text:gmatch("`([%l%u_][%w_ ]*%(?%)?)` %(`([^`]+)`") do judge(name, path) end
end

-- What stands before "asserts": `name()` or `name()` in `path`.
local function subject_before(text, at)
  local before = text:sub(1, at - 1)
  local name, path = before:match("`([%w_]+)%(%)` in `([^`]+)` $")
  if name then return name, path end
  return before:match("`([%w_]+)%(%)` $")
end

local function judge_asserts(sources, text, tell)
  for at, stop in text:gmatch("()%f[%w]asserts%f[%W]()") do
    local name, path = subject_before(text, at)
    local found = name and sources:mean(name, path)
    local claim = text:match("^ `([^`]+)`", stop)
    if not found or not claim then
      tell("asserts: say which function, and what: `name()` asserts `x > 0`")
    elseif not found.body:gsub("%s+", " "):find("assert(" .. claim .. ")", 1, true) then
      tell(("%s does not assert %s"):format(name, claim))
    end
  end
end

local function judge_calls(sources, text, tell)
  for at, callee in text:gmatch("()calls `([%w_]+)%(%)`") do
    local name, path = subject_before(text, at)
    local caller, called = name and sources:mean(name, path), sources:mean(callee)
    if name and not caller then
      tell("there is no one function " .. name)
    elseif caller then
      local reached = called and sources:reaches(caller, callee, called.path)
      local is_foreign = not called and caller.body:find("%f[%w_]" .. callee .. "%s*%(")
      if not reached and not is_foreign then tell(("%s does not call %s"):format(name, callee)) end
    end
  end
end

-- What a constant is somewhere: values[NAME][number].
local function values_of(sources)
  if sources.values then return sources.values end
  local values = {}
  for _, bare in pairs(sources.bare) do
    for name, text in bare:gmatch("%f[%w_](%u[%u%d_]+) = ([%d* ()]*%d[%d* ()]*)") do
      values[name] = values[name] or {}
      local value = load("return " .. text)
      if value then values[name][value()] = true end
    end
  end
  sources.values = values
  return values
end

local function judge_figures(sources, text, tell)
  for number, unit, name in text:gmatch("([%d,]+) ?(%a*) %(`(%u[%u%d_]+)`") do
    local value = tonumber((number:gsub(",", ""))) * (unit == "KiB" and 1024 or 1)
    local known = values_of(sources)[name]
    if not known or not known[value] then
      tell(("%s is not %s %s"):format(name, number, unit))
    end
  end
end

-- --- Pages --------------------------------------------------------------------------------------

-- Calls visit(line, text, is_code) for each paragraph and each block; each line of a block begins
-- with its number.
local function each_part(page, visit)
  local lines, first, is_code, number = {}, 1, false, 0
  local function flush()
    if lines[1] then visit(first, table.concat(lines, is_code and "\n" or " ") .. "\n", is_code) end
    lines = {}
  end
  for line in (page .. "\n"):gmatch("([^\n]*)\n") do
    number = number + 1
    if line:find("^%s*```") then
      flush()
      is_code = not is_code
    elseif line:find("^%s*$") and not is_code then
      flush()
    else
      if not lines[1] then first = number end
      lines[#lines + 1] = is_code and number .. ":" .. line or line:match("^%s*(.-)%s*$")
    end
  end
  flush()
end

--- What a page says that is not so, as "12: net/conn.c does not define conn_frob".
--- @param page string
--- @param sources table as tour.sources() makes it
--- @return string[]
function tour.faults(page, sources)
  local faults = {}
  each_part(page, function(line, text, is_code)
    local function tell(what, more)
      local at = more and what or line
      faults[#faults + 1] = ("%d: %s"):format(at, more or what)
    end
    if is_code then
      if is_walk(text) then judge_walk(sources, text, tell) end
      return
    end
    for code in text:gmatch("`([^`]+)`") do judge_code(sources, code, tell) end
    judge_places(sources, text, tell)
    judge_asserts(sources, text, tell)
    judge_calls(sources, text, tell)
    judge_figures(sources, text, tell)
  end)
  return faults
end

return tour
