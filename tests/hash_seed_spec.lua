-- hash_seed_spec.lua — keys of peers that are chosen to collide in a table of a script (row 49).
--
-- Where a key lies in a table decides its place in pairs(), so the order tells what the seed did,
-- and no clock is asked.

local rig = require "tests.support.rig"

-- Tells the order in which a table has `keys`, as the positions at which they were put in.
local function order_of(keys)
  return ([[
    local keys = %s
    local positions, order = {}, {}
    for i, key in ipairs(keys) do positions[key] = i end
    for _, i in pairs(positions) do order[#order + 1] = i end
    print("> " .. table.concat(order, " "))
  ]]):format(keys)
end

local served = " return { listen = 0, on_data = print }"

-- The hash of 5.4 (luaS_hash in lstring.c) runs from the last byte to the first: the last ones are
-- the same for all, and of the first three, those are taken that collide when the seed is 0.
local flood = [[(function()
  local function mix(hash, byte) return hash ~ ((hash << 5) + (hash >> 2) + byte & 0xffffffff) end
  local suffix, keys = "-flood", {}
  local start = #suffix + 3
  for i = #suffix, 1, -1 do start = mix(start, suffix:byte(i)) end
  for c = 33, 126 do
    local third = mix(start, c)
    for b = 33, 126 do
      local second = mix(third, b)
      for a = 33, 126 do
        if mix(second, a) & 1023 == 0 and #keys < 600 then
          keys[#keys + 1] = string.char(a, b, c) .. suffix
        end
      end
    end
  end
  return keys
end)()]]

-- Keys that collide push one another into free places, which are taken from the table's end on:
-- then the order is the reverse of that in which they were put in.
local function reversed_pairs(order)
  local count, reversed, last = 0, 0, nil
  for word in order:gmatch("%d+") do
    local position = math.tointeger(word)
    if last then
      count = count + 1
      if position < last then reversed = reversed + 1 end
    end
    last = position
  end
  return reversed / count
end

describe("the seed of a table's hashes", function()
  local moonport = rig.new()

  local function orders(count, script)
    local place = moonport:directory()
    for i = 1, count do place:write(i .. ".lua", script .. served) end
    return moonport:serve({ place.path }, { listeners = count }):wait_told(count)
  end

  it("differs from process to process, and from state to state in one process", function()
    local script = order_of([[(function()
      local keys = {}
      for i = 1, 200 do keys[i] = "key" .. i end
      return keys
    end)()]])
    local seen = {}
    for _ = 1, 2 do
      for _, order in ipairs(orders(2, script)) do
        assert.is_nil(seen[order], "two states have the same order")
        seen[order] = true
      end
    end
  end)

  it("spreads keys that were chosen to collide for another seed", function()
    local order = orders(1, order_of(flood))[1]
    local reversed = reversed_pairs(order)
    assert(reversed > 0.3 and reversed < 0.7, reversed)
    local _, count = order:gsub("%d+", "")
    assert.equal(600, count)
  end)

  -- What the seed is not for, and the proof that the test above can see a flood: numbers are their
  -- own hash. What a chain of them costs is bounded by limits.cpu_ms.
  it("does not spread numbers", function()
    local order = orders(1, order_of([[(function()
      local keys = {}
      for i = 1, 600 do keys[i] = i * 1023 end
      return keys
    end)()]]))[1]
    assert(reversed_pairs(order) > 0.95, order)
  end)
end)
