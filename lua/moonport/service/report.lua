-- moonport.service.report — what is wrong with a service, each with the file and a line — knows no
-- rule.

local getinfo, open = debug.getinfo, io.open
local type, tostring, pairs, ipairs = type, tostring, pairs, ipairs
local format, gsub, gmatch, find = string.format, string.gsub, string.gmatch, string.find
local concat, sort = table.concat, table.sort

---@class moonport.service.Report where faults are gathered, each with the file and a line
---@field path string
---@field source string? the script's text, read when a line is looked for
---@field faults string[]
---@field warnings string[]

local M = {}

---@return moonport.service.Report
function M.new(path) return { path = path, faults = {}, warnings = {} } end

-- The script's text; "" when it cannot be read.
local function text_of(report)
  if not report.source then
    local file = open(report.path, "r")
    report.source = file and file:read("a") or ""
    if file then file:close() end
  end
  return report.source
end

---Whether the word stands anywhere in the script.
function M.mentions(report, word) return find(text_of(report), word, 1, true) ~= nil end

-- The line where `key` is written: a function knows it, for the rest the text is searched.
local function line_of(report, key, value)
  if type(value) == "function" then
    local info = getinfo(value, "S")
    if info.source == "@" .. report.path then return info.linedefined end
  end
  local number = 0
  local word = "%f[%w_]" .. gsub(key, "%W", "%%%0") .. "%f[^%w_]"
  for line in gmatch(text_of(report) .. "\n", "(.-)\n") do
    number = number + 1
    local code = gsub(line, "%-%-.*", "")
    if find(code, word .. "%s*=") or find(code, word .. "[\"']%s*%]%s*=") then return number end
  end
end

---@param key string? the field that it is about
---@return string where "scripts/echo.lua:3", or without a line, when that cannot be told
function M.where(report, key, value)
  local line = key and line_of(report, key, value)
  return line and report.path .. ":" .. line or report.path
end

---@param key string? the field that is at fault, for its line
---@param ... any for string.format
function M.fault(report, key, value, ...)
  report.faults[#report.faults + 1] = M.where(report, key, value) .. ": " .. format(...)
end

---The same of what works, and may not be what was meant.
function M.warn(report, key, value, ...)
  report.warnings[#report.warnings + 1] = M.where(report, key, value) .. ": " .. format(...)
end

function M.shown(value)
  if value == nil then return "nil" end
  if type(value) == "string" then return format("%q", value) end
  if type(value) == "number" or type(value) == "boolean" then return tostring(value) end
  return "a " .. type(value)
end

function M.set_of(list)
  local set = {}
  for _, key in ipairs(list) do set[key] = true end
  return set
end

---Complains of every key of `given` that is not among `known`.
function M.check_names(report, given, known, prefix, nearest)
  local is_known, names = M.set_of(known), {}
  for key in pairs(given) do
    if not is_known[key] then names[#names + 1] = key end
  end
  sort(names, function(a, b) return tostring(a) < tostring(b) end)
  for _, key in ipairs(names) do
    if type(key) == "string" then
      local near = nearest(key, known, prefix .. key)
      local hint = near and format("did you mean %s?", near) or "known: " .. concat(known, ", ")
      M.fault(report, key, given[key], "unknown field '%s%s' (%s)", prefix, key, hint)
    else
      M.fault(report, nil, nil, "unknown field %s%s: fields have names", prefix, M.shown(key))
    end
  end
end

return M
