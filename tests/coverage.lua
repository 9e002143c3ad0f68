-- coverage.lua — what a build with --coverage has run, by layer, against thresholds — runs no test.
--
--   lua5.4 tests/coverage.lua BUILD [gaps]      gaps: also the lines of each file that never ran
--
-- Left out: branches of assert(), whose other way is a bug of ours and ends the program, and those
-- behind luaL_error() and its like, which never return (tests/coverage.h). Nothing else: what only
-- a failing allocation or system call reaches is reached by tests/torture/.

local cjson = require "cjson"

-- Percent of lines and of branches taken, half a point below what was reached, rounded down: which
-- of two events comes first differs from run to run. Raised when the figures rise, never lowered;
-- 97 and 90 is the least in vm, net and api.
local thresholds = {
  base = { lines = 96, branches = 88 },
  vm = { lines = 98, branches = 92 },
  net = { lines = 98, branches = 92 },
  api = { lines = 98, branches = 90 },
  server = { lines = 95, branches = 83 },
  cli = { lines = 75, branches = 61 },
}
local layers = { "base", "vm", "net", "api", "server", "cli" }

local function command(text)
  local pipe = assert(io.popen(text))
  local output = pipe:read("a")
  assert(pipe:close(), "failed: " .. text)
  return output
end

local function lines_of(path)
  local lines = {}
  for line in io.lines(path) do lines[#lines + 1] = line end
  return lines
end

-- An assert() that goes on over lines is known by its first.
local function in_assert(lines, number)
  for at = number, math.max(1, number - 3), -1 do
    if lines[at]:find("^%s*assert%(") then return true end
    if at < number and lines[at]:find("[;{}]%s*$") then return false end
  end
  return false
end

local function count_file(record, root)
  local source = lines_of(root .. "/" .. record.file)
  local file = { name = record.file, lines = 0, run = 0, branches = 0, taken = 0, gaps = {} }
  for _, line in ipairs(record.lines) do
    file.lines = file.lines + 1
    if line.count > 0 then
      file.run = file.run + 1
    else
      file.gaps[#file.gaps + 1] = math.tointeger(line.line_number)
    end
    if not in_assert(source, line.line_number) then
      for _, branch in ipairs(line.branches) do
        file.branches = file.branches + 1
        if branch.count > 0 then file.taken = file.taken + 1 end
      end
    end
  end
  return file
end

-- One object file gives one report; what a header has is in several, and is left to none of them.
local function read_files(build)
  local root = command("pwd"):gsub("\n", "")
  local objects = command(("find %s/CMakeFiles/moonport_core.dir/src -name '*.gcno'"):format(build))
  local files = {}
  for object in objects:gmatch("[^\n]+") do
    local text = command(("gcov --json-format --branch-probabilities --stdout '%s' 2>/dev/null")
      :format(object))
    for _, record in ipairs(cjson.decode(text).files) do
      record.file = record.file:gsub("^" .. root:gsub("%p", "%%%0") .. "/", "")
      if record.file:find("^src/.*%.c$") then files[#files + 1] = count_file(record, root) end
    end
  end
  table.sort(files, function(a, b) return a.name < b.name end)
  return files
end

local function percent(part, whole) return whole == 0 and 100 or 100 * part / whole end

local function sum(files, layer)
  local total = { lines = 0, run = 0, branches = 0, taken = 0 }
  for _, file in ipairs(files) do
    if file.name:find("^src/" .. layer .. "/") then
      for name, value in pairs(total) do total[name] = value + file[name] end
    end
  end
  return total
end

-- "12-15 20"
local function ranges(numbers)
  local list = {}
  local first
  for i, number in ipairs(numbers) do
    first = first or number
    if numbers[i + 1] ~= number + 1 then
      list[#list + 1] = first == number and tostring(number) or first .. "-" .. number
      first = nil
    end
  end
  return table.concat(list, " ")
end

local function print_files(files)
  print(("\n%-32s %7s %9s  lines that never ran"):format("file", "lines", "branches"))
  for _, file in ipairs(files) do
    print(("%-32s %6.1f%% %8.1f%%  %s"):format(file.name, percent(file.run, file.lines),
      percent(file.taken, file.branches), ranges(file.gaps)))
  end
end

local function print_layers(files)
  local failed = false
  print(("%-8s %8s %10s   at least"):format("layer", "lines", "branches"))
  for _, layer in ipairs(layers) do
    local total, least = sum(files, layer), thresholds[layer]
    local lines, branches = percent(total.run, total.lines), percent(total.taken, total.branches)
    local short = lines < least.lines or branches < least.branches
    failed = failed or short
    print(("%-8s %7.1f%% %9.1f%%   %g%%, %g%%%s"):format(layer, lines, branches, least.lines,
      least.branches, short and "   NOT REACHED" or ""))
  end
  return not failed
end

local files = read_files(arg[1])
local enough = print_layers(files)
if arg[2] == "gaps" then print_files(files) end
if not enough then
  io.stderr:write("coverage: below what tests/coverage.lua asks for; `./dev coverage` lists the",
    " lines that no test runs\n")
end
os.exit(enough)
