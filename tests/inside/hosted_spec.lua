-- hosted_spec.lua — scripts in the Lua state of the program that tests them: what they share with
-- it, and that a test may wait for them wherever it stands.

local host = require "moonport.test.host"

local function script(text, prepare)
  local hosted = host.new("(text)", prepare or function() end, 0)
  return hosted, hosted:load("return { on_data = print, on_load = function() " .. text .. " end }")
end

local function messages(hosted)
  local list = {}
  for index, record in ipairs(hosted:take_log()) do list[index] = record.message end
  return list
end

describe("A script under test", function()
  it("runs beside the test, with globals of its own", function()
    local hosted, outcome = script("print(describe == nil and string.reverse('ab')) shared = 1")
    assert.equal("done", outcome)
    assert.same({ "ba" }, messages(hosted))
    assert.equal(1, hosted:globals().shared)
    assert.is_nil(shared) -- luacheck: globals shared
    assert.not_equal(string, hosted:globals().string)
  end)

  it("may be given what is the test's", function()
    local list = {}
    local hosted = script("table.insert(list, 1)", function(globals) globals.list = list end)
    assert.same({ 1 }, list)
    assert.same({}, messages(hosted))
  end)

  it("runs its tasks until nothing is left to do, while the test waits", function()
    local hosted = script([[
      local task = require "moonport.task"
      task.spawn(function()
        print(task.spawn(function() print("inner") return "result" end):join())
      end)
    ]])
    assert.same({ "inner", "true\tresult" }, messages(hosted))
  end)

  it("is of itself when it fails", function()
    local hosted, outcome = script("error('no', 0)")
    assert.equal("failed", outcome)
    local records = hosted:take_log()
    assert.equal("untold", records[#records].raised)
    assert.equal("failed", (hosted:load("return {")))
    assert.matches("^%(text%):1: ", messages(hosted)[1])
  end)

  it("ends when it loops, by its own budget and not the test's", function()
    local hosted = host.new("(text)", function() end, 0)
    assert.equal("failed", (hosted:load("while true do end")))
    assert.matches("used more than limits.cpu_ms = 1000", messages(hosted)[1])
  end)
end)

describe("A test may wait for a script", function()
  local hosted = script("") -- in a describe

  before_each(function() hosted:settle() end)
  after_each(function() hosted:settle() end)
  finally = finally -- luacheck: globals finally

  it("in a coroutine of its own, and in an iterator", function()
    local steps = coroutine.wrap(function()
      for number = 1, 3 do
        hosted:settle()
        coroutine.yield(number)
      end
    end)
    local seen = {}
    for number in steps do seen[#seen + 1] = number end
    assert.same({ 1, 2, 3 }, seen)
  end)

  it("within pcall, xpcall, assertions, metamethods and finally", function()
    finally(function() hosted:settle() end)
    assert.is_true(pcall(hosted.settle, hosted))
    assert.is_true(xpcall(hosted.settle, print, hosted))
    assert.has_error(function()
      hosted:settle()
      error("as expected")
    end, "as expected")
    assert.error_matches(function()
      hosted:settle()
      error("as expected")
    end, "expected")
    assert.has_no.errors(function() hosted:settle() end)
    local object = setmetatable({}, { __index = function() return hosted:settle() end,
      __call = function() return hosted:settle() end, __eq = function()
        hosted:settle()
        return true
      end })
    assert.equal("done", object.field)
    assert.equal("done", (object()))
    assert.is_true(object == setmetatable({}, getmetatable(object)))
    do
      local closing <close> = setmetatable({}, { __close = function() hosted:settle() end })
      assert.is_table(closing)
    end
  end)

  it("but not where C calls the test, and is told so", function()
    local ok, why = pcall(string.gsub, "x", "x", function() hosted:settle() end)
    assert.is_false(ok)
    assert.matches("cannot wait here: it is called through a C function", why)
  end)
end)
