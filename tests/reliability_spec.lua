-- reliability_spec.lua — each test that docs/reliability.md names is there — judges no prose.

local function read_file(path)
  local file = io.open(path, "rb")
  if not file then return nil end
  local text = file:read("a")
  file:close()
  return text
end

-- Whether `words` are in the title of a test: on the line of it() or describe(), or the next one.
local function has_title(text, words)
  local title_is_open = false
  for line in text:gmatch("[^\n]+") do
    local opens = line:find("%f[%w_]it%(") or line:find("%f[%w_]describe%(")
    if (opens or title_is_open) and line:find(words, 1, true) then return true end
    title_is_open = opens
  end
  return false
end

describe("docs/reliability.md", function()
  local page = assert(read_file("docs/reliability.md"))

  it("names only tests that there are", function()
    local missing, count = {}, 0
    for path, rest in page:gmatch("%]%(%.%./(tests/[%w_]+_spec%.lua)%)([^%[|\n]*)") do
      local text, words = read_file(path), rest:match("^ %*([^*]+)%*")
      count = count + 1
      if not text then
        missing[#missing + 1] = path
      elseif words and not has_title(text, words) then
        missing[#missing + 1] = path .. ": " .. words
      end
    end
    assert.same({}, missing)
    assert.is_true(count > 40)
  end)

  it("tells of each fault once, and leaves none out", function()
    local seen, repeated = {}, {}
    for numbers in page:gmatch("\n| ([%d, ]+) |") do
      for number in numbers:gmatch("%d+") do
        if seen[number] then repeated[#repeated + 1] = number end
        seen[number] = true
      end
    end
    assert.same({}, repeated)
    for number = 1, 64 do assert(seen[tostring(number)], "row " .. number .. " is missing") end
  end)

  it("says for each of them what shows it", function()
    for section in page:gmatch("| shown by |\n(.-)\n\n") do
      for row in section:gmatch("[^\n]+") do
        local cells = {}
        for cell in row:gmatch("[^|]+") do cells[#cells + 1] = cell end
        assert(cells[4]:find("%]%(") or cells[4]:find("`./dev") or cells[4]:find("^%-+$"), row)
      end
    end
  end)
end)
