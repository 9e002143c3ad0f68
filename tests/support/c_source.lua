-- c_source.lua — what a C file defines, and which names stand in it — does not read files.

local c_source = {}

-- Where a string or a character that begins at `at` has ended.
local function after_literal(text, at, mark)
  while true do
    local stop, char = text:match("()([\\" .. mark .. "])", at + 1)
    if not stop then return #text + 1 end
    if char == mark then return stop + 1 end
    at = stop + 1
  end
end

local function after_comment(text, at)
  return text:match("^/%*.-%*/()", at) or text:match("^//[^\n]*()", at)
end

--- C without its comments, strings and characters.
--- @param text string
--- @return string
function c_source.bare(text)
  local kept, from, look = {}, 1, 1
  while true do
    local at, mark = text:match("()([\"'/])", look)
    if not at then break end
    if mark == "/" then look = after_comment(text, at) else look = after_literal(text, at, mark) end
    if look then
      kept[#kept + 1] = text:sub(from, at - 1)
      from = look
    else
      look = at + 1 -- it divides
    end
  end
  kept[#kept + 1] = text:sub(from)
  return table.concat(kept, " ")
end

--- Calls visit(name, is_static, body) for what a bare text defines at its outermost level; body is
--- nil for what is no function.
--- @param bare string
--- @param visit fun(name: string, is_static: boolean, body: string?)
function c_source.each_definition(bare, visit)
  bare = "\n" .. bare
  local function found(head, body)
    local name = head:gsub("%b[]", ""):match("([%a_][%w_]*)%s*$")
    if name then visit(name, head:find("%f[%w_]static%f[^%w_]") ~= nil, body) end
  end
  for head, body in bare:gmatch("\n([%a_][^\n;{}=#()]-)%([^;{}]-%)%s*(%b{})") do
    found(head, body)
  end
  for head, body in bare:gmatch("\n(__attribute__%b()[^;{}=#()]-)%([^;{}]-%)%s*(%b{})") do
    found(head, body)
  end
  for head in bare:gmatch("\n([%a_][^;{}=#()]-)=") do found(head) end
end

--- Calls visit(name) for each word of the bare text that is not the name of a field.
--- @param bare string
--- @param visit fun(name: string)
function c_source.each_use(bare, visit)
  for before, name in bare:gmatch("([^%w_]?)%f[%a_]([%a_][%w_]*)") do
    if before ~= "." and before ~= ">" then visit(name) end
  end
end

return c_source
