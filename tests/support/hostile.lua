-- hostile.lua — the rows of tests/http/hostile*.txt — does not know who reads them.

local hostile = {}

hostile.REQUESTS = "tests/http/hostile.txt"
hostile.RESPONSES = "tests/http/hostile_responses.txt"

local ESCAPES = { r = "\r", n = "\n", t = "\t", ["\\"] = "\\" }

-- Escapes are all of one backslash and what follows it, so one pass from the left is right.
local function unescape(text)
  return (text:gsub("\\(.)(%x?%x?)", function(kind, digits)
    if kind == "x" then return string.char(tonumber(digits, 16)) end
    return ESCAPES[kind] .. digits
  end))
end

--- A list of { status =, is_tame =, name =, why =, bytes = }; `why` is "-" where h11 agrees.
function hostile.rows(path)
  local rows = {}
  for line in io.lines(path) do
    local status, name, why, bytes = line:match("^(%w+) | (.-) | (.-) | (.*)$")
    if status then
      rows[#rows + 1] = { status = status, is_tame = status == "ok" or status == "head",
        name = name, why = why, bytes = unescape(bytes) }
    elseif line ~= "" and not line:match("^#") then
      error("this is no row: " .. line)
    end
  end
  return rows
end

return hostile
