-- moonport.metrics.text — samples as Prometheus' text format 0.0.4, of several processes as one —
-- asks nobody. What a sample is stands in src/server/control/metrics.c, what the format is in
-- https://prometheus.io/docs/instrumenting/exposition_formats/.

local M = {}

local function at_a_time() end

-- What a terminal, or a reader of lines, would trip over; the others have an escape of their own.
local function unseen(byte) return ("\\\\x%02x"):format(byte:byte()) end

local function label_text(value)
  value = tostring(value):gsub("\\", "\\\\"):gsub('"', '\\"'):gsub("\n", "\\n")
  return (value:gsub("[%z\1-\31\127]", unseen))
end

local function help_text(value)
  value = tostring(value):gsub("\\", "\\\\"):gsub("\n", "\\n")
  return (value:gsub("[%z\1-\31\127]", unseen))
end

local function number_text(value)
  if math.type(value) == "integer" then return ("%d"):format(value) end
  local short = ("%.15g"):format(value)
  return tonumber(short) == value and short or ("%.17g"):format(value)
end

-- `script="a.lua",reason="eof"`: what is of one kind has one such text. The script comes first.
local function labels_text(labels)
  local names, pieces = {}, {}
  for name in pairs(labels) do names[#names + 1] = name end
  table.sort(names, function(a, b)
    if a == "script" or b == "script" then return a == "script" and b ~= "script" end
    return a < b
  end)
  for index, name in ipairs(names) do
    pieces[index] = ('%s="%s"'):format(name, label_text(labels[name]))
  end
  return table.concat(pieces, ",")
end

-- --- Several samples as one ---------------------------------------------------------------------

local function is_same_list(one, other)
  if #one ~= #other then return false end
  for index = 1, #one do
    if one[index] ~= other[index] then return false end
  end
  return true
end

-- False: they are no histograms of the same kind.
local function add_histogram(to, sample)
  if not is_same_list(to.bounds, sample.bounds) then return false end
  for index, count in ipairs(sample.counts) do to.counts[index] = to.counts[index] + count end
  to.sum = to.sum + sample.sum
  return true
end

local function add(to, sample)
  if to.bounds then return add_histogram(to, sample) end
  if sample.merge == "max" then
    to.value = math.max(to.value, sample.value)
  elseif sample.merge == "min" then
    to.value = math.min(to.value, sample.value)
  else
    to.value = to.value + sample.value
  end
  return true
end

-- The families by name, each with its samples by their labels' text.
local function collect(samples, pause)
  local families, names, conflicts = {}, {}, {}
  for index, sample in ipairs(samples) do
    local family = families[sample.name]
    if not family then
      family = { type = sample.type, by_labels = {}, keys = {} }
      families[sample.name] = family
      names[#names + 1] = sample.name
    end
    family.help = family.help or sample.help
    local key = labels_text(sample.labels)
    local same, fits = family.by_labels[key], family.type == sample.type
    if fits and same then
      fits = add(same, sample)
    elseif fits then
      family.by_labels[key] = sample
      family.keys[#family.keys + 1] = key
    end
    if not fits then conflicts[sample.name] = sample.labels.script or "" end
    if index % 200 == 0 then pause() end
  end
  table.sort(names)
  return families, names, conflicts
end

-- --- Writing ------------------------------------------------------------------------------------

local function write_histogram(put, name, key, sample)
  local before, count = key == "" and "" or key .. ",", 0
  local braces = key == "" and "" or "{" .. key .. "}"
  for index, bound in ipairs(sample.bounds) do
    count = count + sample.counts[index]
    put('%s_bucket{%sle="%s"} %d', name, before, number_text(bound), count)
  end
  count = count + sample.counts[#sample.counts]
  put('%s_bucket{%sle="+Inf"} %d', name, before, count)
  put("%s_sum%s %s", name, braces, number_text(sample.sum))
  put("%s_count%s %d", name, braces, count)
end

---What `samples` say, as text; those of the same name and labels are one. `pause` is called now and
---then, for much takes a while.
---@param samples table[]
---@param pause fun()?
---@return string
function M.render(samples, pause)
  pause = pause or at_a_time
  local out = {}
  local function put(format, ...) out[#out + 1] = format:format(...) end
  local families, names, conflicts = collect(samples, pause)
  for _, name in ipairs(names) do
    local family = families[name]
    put("# HELP %s %s", name, help_text(family.help or ""))
    put("# TYPE %s %s", name, family.type)
    if conflicts[name] then
      put("# left out: %s is something else in %s", name, help_text(conflicts[name]))
    end
    table.sort(family.keys)
    for index, key in ipairs(family.keys) do
      local sample = family.by_labels[key]
      if sample.bounds then
        write_histogram(put, name, key, sample)
      else
        put(key == "" and "%s%s %s" or "%s{%s} %s", name, key, number_text(sample.value))
      end
      if index % 200 == 0 then pause() end
    end
  end
  out[#out + 1] = ""
  return table.concat(out, "\n")
end

return M
