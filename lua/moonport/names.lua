-- moonport.names — which names a compiled chunk uses that nothing defines — runs none of it.
--
-- Reads what string.dump() gives, as Lua 5.4 writes it (ldump.c): there the compiler has told
-- globals from locals, and each instruction has its line. Of another version nothing is said.
-- `check` asks after the script has been loaded, so that what it defined by then is known.

local dump, unpack, byte, sub = string.dump, string.unpack, string.byte, string.sub
local type, ipairs, pairs, format = type, ipairs, pairs, string.format
local getmetatable, sort, math = getmetatable, table.sort, math

-- --- Reading a chunk -------------------------------------------------------------------------

local HEADER = "\27Lua\x54\0\x19\x93\r\n\x1a\n\4\8\8" -- version 5.4, and the sizes of what follows
local MAIN_AT = #HEADER + 8 + 8 + 1 + 1 -- behind an integer, a float and a count
local ABSOLUTE_LINE = -128
local LINE_MAX = 64 -- instructions of one line that are looked through for each other
local JUMP_ZERO = (1 << 24) - 1 -- what a jump to the next instruction has
local NO_VALUE, FALSE, TRUE, FLOAT, INTEGER = 0, 1, 17, 19, 3

local OPS = {
  MOVE = 0, LOADK = 3, GETUPVAL = 9, GETTABUP = 11, GETFIELD = 14, SETTABUP = 15, SETFIELD = 18,
  SELF = 20, NOT = 51, JMP = 56, EQK = 60, TEST = 66, TESTSET = 67, CALL = 68, TAILCALL = 69,
  CLOSURE = 79,
}

---@class moonport.names.Instruction
---@field op integer
---@field a integer
---@field b integer
---@field c integer
---@field bx integer
---@field jump integer how many instructions are skipped
---@field line integer

---@class moonport.names.Function
---@field parent moonport.names.Function? where it is made
---@field code table<integer, moonport.names.Instruction> from 0
---@field size integer of them
---@field constants any[] from 0
---@field upvalues { in_stack: boolean, index: integer }[] from 0
---@field functions moonport.names.Function[] from 0
---@field locals { name: string, first: integer, last: integer }[]
---@field made_at integer? the instruction of the parent
---@field handler string? its name, when its first argument is a connection

local Reader = {}
Reader.__index = Reader

function Reader:byte()
  local value = byte(self.bytes, self.at)
  self.at = self.at + 1
  return value
end

-- Seven bits a byte, the first ones first; the last byte has its high bit set.
function Reader:number()
  local number = 0
  repeat
    local value = self:byte()
    number = number << 7 | value & 127
  until value >= 128
  return number
end

function Reader:string()
  local size = self:number()
  if size == 0 then return nil end
  self.at = self.at + size - 1
  return sub(self.bytes, self.at - size + 1, self.at - 1)
end

-- Calls read(self, index) as often as the next number says; what it gives, from 0 on.
function Reader:list(read)
  local list, count = {}, self:number()
  for index = 0, count - 1 do list[index] = read(self, index) end
  return list, count
end

function Reader:instruction()
  local word = unpack("<I4", self.bytes, self.at)
  self.at = self.at + 4
  return { op = word & 127, a = word >> 7 & 255, b = word >> 16 & 255, c = word >> 24 & 255,
    bx = word >> 15, jump = (word >> 7) - JUMP_ZERO }
end

function Reader:constant()
  local kind = self:byte()
  if kind == NO_VALUE or kind == FALSE or kind == TRUE then return kind == TRUE end
  if kind ~= FLOAT and kind ~= INTEGER then return self:string() end
  self.at = self.at + 8
  return 0
end

function Reader:upvalue()
  local upvalue = { in_stack = self:byte() == 1, index = self:byte() }
  self.at = self.at + 1
  return upvalue
end

-- Gives each instruction its line.
function Reader:lines(made, line)
  local deltas, count = self:list(function() return unpack("b", sub(self.bytes, self.at, self.at)),
    self:byte() end)
  local absolute = {}
  for _ = 1, self:number() do
    local at = self:number()
    absolute[at] = self:number()
  end
  for index = 0, count - 1 do
    line = deltas[index] == ABSOLUTE_LINE and absolute[index] or line + deltas[index]
    made.code[index].line = line
  end
end

function Reader:func(parent)
  local made = { parent = parent }
  self:string() -- the source
  local line = self:number()
  self:number() -- its last line
  self.at = self.at + 3 -- parameters, varargs, size of the stack
  made.code, made.size = self:list(self.instruction)
  made.constants = self:list(self.constant)
  made.upvalues = self:list(self.upvalue)
  made.functions = self:list(function() return self:func(made) end)
  self:lines(made, line)
  made.locals = self:list(function()
    return { name = self:string(), first = self:number(), last = self:number() }
  end)
  self:list(self.string) -- names of upvalues
  for at = 0, made.size - 1 do
    local each = made.code[at]
    if each.op == OPS.CLOSURE then made.functions[each.bx].made_at = at end
  end
  return made
end

-- The main function of a chunk; nil: it is not of this version.
local function read(chunk)
  local bytes = dump(chunk)
  if sub(bytes, 1, #HEADER) ~= HEADER then return nil end
  return setmetatable({ bytes = bytes, at = MAIN_AT }, Reader):func()
end

local function each_function(made, visit)
  visit(made)
  for index = 0, #made.functions do
    if made.functions[index] then each_function(made.functions[index], visit) end
  end
end

-- --- What a value is ---------------------------------------------------------------------------

-- Whether the upvalue is the chunk's own _ENV.
local function is_env(made, index)
  local upvalue = made.upvalues[index]
  if not made.parent then return index == 0 end
  return not upvalue.in_stack and is_env(made.parent, upvalue.index)
end

-- The function and the register that an upvalue is, and an instruction at which it is alive.
local function place_of(made, index)
  local upvalue = made.upvalues[index]
  if not made.parent then return nil end
  if upvalue.in_stack then return made.parent, upvalue.index, made.made_at end
  return place_of(made.parent, upvalue.index)
end

-- The local variable in a register at an instruction.
local function local_in(made, register, at)
  local count = -1
  for index = 0, #made.locals do
    local each = made.locals[index]
    if each and each.first <= at and at < each.last then
      count = count + 1
      if count == register then return each end
    end
  end
end

-- The instruction that gave a register its value: of a variable its first one.
local function maker_of(made, register, at)
  local variable = local_in(made, register, at)
  local maker = (variable and variable.first or at) - 1
  return made.code[maker], maker
end

-- Whether the instruction reads the global `name`, or any one.
local function reads_global(made, each, name)
  return each and each.op == OPS.GETTABUP and is_env(made, each.b)
    and (not name or made.constants[each.c] == name)
end

-- The name of the module that require() put into a register.
local function module_in(made, register, at)
  local call, where = maker_of(made, register, at)
  local name, callee = made.code[where - 1], made.code[where - 2]
  if not call or call.op ~= OPS.CALL or call.a ~= register then return nil end
  local is_name = name and name.op == OPS.LOADK and reads_global(made, callee, "require")
  return is_name and made.constants[name.bx] or nil
end

-- What an object is that an instruction takes a field or a method of: a module's name, or "conn".
local function object_of(made, at)
  local each = made.code[at]
  local owner, register, where = made, each.b, at
  if each.op == OPS.GETTABUP then
    owner, register, where = place_of(made, each.b)
  else
    local before = made.code[at - 1]
    local is_loaded = before and before.op == OPS.GETUPVAL and before.a == each.b
    if is_loaded then owner, register, where = place_of(made, before.b) end
  end
  if not owner then return nil end
  if owner.handler and register == 0 and where then return "conn" end
  return module_in(owner, register, where)
end

-- --- What is told ----------------------------------------------------------------------------

local NOT_TOLD_OF_A_CONN = { on_datagram = true, on_load = true, on_unload = true }

-- Marks the functions that are given a connection: `on_data = function(conn, data)`, or its name.
local function mark_handlers(made, is_handler)
  for at = 0, made.size - 1 do
    local each = made.code[at]
    local name = each.op == OPS.SETFIELD and made.constants[each.b]
    if is_handler[name] and not NOT_TOLD_OF_A_CONN[name] then
      local maker = maker_of(made, each.c, at)
      if maker and maker.op == OPS.CLOSURE then made.functions[maker.bx].handler = name end
    end
  end
end

-- Whether what was read at `at` may well be nil: `if x then`, `x == nil`, `x or y`, `y or x`,
-- type(x).
local function is_test(made, at)
  local each, follower, before = made.code[at], made.code[at + 1], made.code[at - 1]
  if not follower then return false end
  if before and before.op == OPS.JMP and before.jump == 1 then return true end -- over this one only
  if follower.op == OPS.TEST or follower.op == OPS.EQK then return follower.a == each.a end
  if follower.op == OPS.TESTSET or follower.op == OPS.NOT then return follower.b == each.a end
  return follower.op == OPS.CALL and follower.a == each.a - 1 and reads_global(made, before, "type")
end

-- Whether `x = x + 1` sets it there: that defines nothing. `x = x or 1` does.
local function reads_itself(made, at, name)
  local line = made.code[at].line
  for before = at - 1, math.max(0, at - LINE_MAX), -1 do
    local each = made.code[before]
    if each.line ~= line or each.op == OPS.TEST or each.op == OPS.TESTSET then return false end
    if reads_global(made, each, name) then return true end
  end
end

---@class moonport.names.Survey
---@field read table<string, integer> the first line that reads a global
---@field set table<string, integer> the first line that sets one
---@field defined table<string, true> globals that are set, or looked for
---@field names table<string, true> of local variables
---@field fields table<string, true> names of fields that are set

local function note_globals(survey, made)
  for at = 0, made.size - 1 do
    local each = made.code[at]
    if reads_global(made, each) then
      local name = made.constants[each.c]
      survey.read[name] = survey.read[name] or each.line
      if is_test(made, at) then survey.defined[name] = true end
    elseif each.op == OPS.SETTABUP and is_env(made, each.a) then
      local name = made.constants[each.b]
      survey.set[name] = survey.set[name] or each.line
      if not reads_itself(made, at, name) then survey.defined[name] = true end
    elseif each.op == OPS.SETFIELD then
      survey.fields[made.constants[each.b]] = true
    end
  end
  for index = 0, #made.locals do
    if made.locals[index] then survey.names[made.locals[index].name] = true end
  end
end

local function sorted_keys(...)
  local keys = {}
  for _, set in ipairs { ... } do
    for key in pairs(set) do
      if type(key) == "string" then keys[#keys + 1] = key end
    end
  end
  sort(keys)
  return keys
end

local Report = {}
Report.__index = Report

function Report:add(line, text, meant)
  if meant then text = format("%s (did you mean %s?)", text, meant) end
  self[#self + 1] = { line = line, text = format("%s:%d: %s", self.path, line, text) }
end

local function tell_globals(report, survey, tools)
  local known = sorted_keys(tools.globals, survey.names, survey.defined)
  for name, line in pairs(survey.read) do
    if tools.globals[name] == nil and not survey.defined[name] then
      report:add(line, format("nothing defines '%s'", name),
        tools.called_here(name) or tools.nearest(name, known))
    end
  end
  known = sorted_keys(survey.names)
  for name, line in pairs(survey.set) do
    local near = not survey.read[name] and tools.nearest(name, known)
    if near then report:add(line, format("nothing reads the global '%s'", name), near) end
  end
end

-- Whether `conn.send` is called there, and not with the connection itself.
local function is_called_by_dot(made, at)
  local each, follower = made.code[at], made.code[at + 1]
  local gives_itself = follower and follower.op == OPS.MOVE and follower.a == each.a + 1
  if gives_itself and follower.b == each.b then return false end
  for later = at + 1, math.min(made.size - 1, at + LINE_MAX) do
    local call = made.code[later]
    if call.line ~= each.line then return false end
    if call.op == OPS.CALL or call.op == OPS.TAILCALL then return call.a == each.a end
  end
end

local function tell_conn(report, survey, tools, made, at)
  local each = made.code[at]
  local name = made.constants[each.c]
  local known = tools.conn[name]
  if each.op == OPS.SELF and not known and not survey.fields[name] then
    report:add(each.line, format("a connection has no method '%s'", name),
      tools.called_here(name, true) or tools.nearest(name, sorted_keys(tools.conn)))
  elseif each.op == OPS.GETFIELD and type(known) == "function" and is_called_by_dot(made, at) then
    report:add(each.line, format("'%s' is a method: write a colon", name), ":" .. name .. "(…)")
  end
end

local function tell_module(report, tools, module, each, field)
  local loaded = tools.loaded[module]
  if type(loaded) ~= "table" then return end
  local short = sub(module, #"moonport." + 1)
  if loaded[field] == nil then
    report:add(each.line, format("%s has no '%s'", module, field),
      tools.called_here(field) or tools.nearest(field, sorted_keys(loaded)))
  elseif each.op == OPS.SELF then
    report:add(each.line, format("'%s' is no method: write a dot", field),
      format("%s.%s(…)", short, field))
  end
end

-- Each of several workers has connections of its own.
local NEEDS_BUS = { broadcast = true, broadcast_message = true }

local function tell_copies(report, tools, module, each, field)
  if not tools.has_copies or tools.loaded["moonport.bus"] then return end
  if module ~= "moonport.server" or not NEEDS_BUS[field] then return end
  report:add(each.line, format("server.%s reaches the connections of its own worker only, and " ..
    "`workers` has the script in several: publish it with moonport.bus, and send it on in " ..
    "bus.subscribe()", field))
end

local FIELD_OPS = { [OPS.GETTABUP] = true, [OPS.GETFIELD] = true, [OPS.SELF] = true }

local function tell_fields(report, survey, tools, made)
  for at = 0, made.size - 1 do
    local each = made.code[at]
    local is_field = FIELD_OPS[each.op] and not (each.op == OPS.GETTABUP and is_env(made, each.b))
    local object = is_field and object_of(made, at)
    if object == "conn" then
      tell_conn(report, survey, tools, made, at)
    elseif type(object) == "string" and sub(object, 1, 9) == "moonport." then
      tell_module(report, tools, object, each, made.constants[each.c])
      tell_copies(report, tools, object, each, made.constants[each.c])
    end
  end
end

local M = {}

---@class moonport.names.Tools
---@field globals table the script's
---@field loaded table<string, any> modules by their names
---@field conn table<string, any> what every connection has: functions are methods
---@field is_handler table<string, true>
---@field nearest fun(word: string, known: string[]): string?
---@field has_copies boolean? the script is to be in several workers
---@field called_here fun(name: string, is_method: boolean?): string? what others' name is here

---The names that nothing defines, one line each, in the order of the file.
function M.undefined(chunk, path, tools)
  local main = read(chunk)
  if not main or getmetatable(tools.globals) then return {} end
  local report = setmetatable({ path = path }, Report)
  local survey = { read = {}, set = {}, defined = {}, names = {}, fields = {} }
  each_function(main, function(made)
    mark_handlers(made, tools.is_handler)
    note_globals(survey, made)
  end)
  tell_globals(report, survey, tools)
  each_function(main, function(made) tell_fields(report, survey, tools, made) end)
  sort(report, function(a, b) return a.line < b.line or a.line == b.line and a.text < b.text end)
  local texts = {}
  for index, each in ipairs(report) do texts[index] = each.text end
  return texts
end

return M
