-- moonport.test.cut — the same bytes in other pieces, as a network may cut them — sends nothing.

local calls = require "moonport.calls"

local PIECE_BYTES_MAX = 65536 -- one read of the server's

-- A generator of its own, so that a seed gives the same cuts whatever else draws numbers:
-- xorshift64* (Vigna 2016).
local function generator(seed)
  local state = seed * 0x9E3779B97F4A7C15 ~ 0x2545F4914F6CDD1D
  if state == 0 then state = 1 end
  return function(max)
    state = state ~ state >> 12
    state = state ~ state << 25
    state = state ~ state >> 27
    return (state * 0x2545F4914F6CDD1D >> 11) % max + 1
  end
end

-- Short pieces are the likely ones: a cut inside of every few bytes is what finds mistakes.
local function random_sizes(seed)
  local draw = generator(seed)
  return function()
    if draw(3) == 1 then return draw(3) end
    return draw(draw(4) == 1 and PIECE_BYTES_MAX or 64)
  end
end

local function places(list)
  local index, before = 0, 0
  return function()
    index = index + 1
    local place = list[index]
    if not place then return PIECE_BYTES_MAX end
    if math.type(place) ~= "integer" or place <= before then
      calls.refuse(("place %s of a cut: places are whole numbers of bytes, 1 or more, and ascend")
        :format(tostring(place)))
    end
    local size = place - before
    before = place
    return size
  end
end

local ACCEPTED = [["every", a size in bytes, a list of places such as { 3, 7 }, or { seed = 1 }]]

-- A function that gives the size of one piece after the other.
local function sizes_of(how)
  if how == nil then return function() return PIECE_BYTES_MAX end end
  if how == "every" then return function() return 1 end end
  if math.type(how) == "integer" and how > 0 then return function() return how end end
  if type(how) == "table" and math.type(how.seed) == "integer" then
    return random_sizes(how.seed)
  end
  if type(how) == "table" and how.seed == nil then return places(how) end
  calls.refuse(("a cut is %s; write %s"):format(tostring(how), ACCEPTED))
end

-- Cuts `bytes` in pieces of at most 65536 bytes.
local function cut(bytes, how)
  calls.check(bytes, 1, "cut", "string")
  local next_size, pieces, at = sizes_of(how), {}, 1
  while at <= #bytes do
    local size = math.min(next_size(), PIECE_BYTES_MAX)
    pieces[#pieces + 1] = bytes:sub(at, at + size - 1)
    at = at + size
  end
  return pieces
end

return cut
