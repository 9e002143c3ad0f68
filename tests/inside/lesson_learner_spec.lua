-- lesson_learner_spec.lua — a learner's script as a process within bounds, however long it takes to
-- reach them — not its checks.

local bounded = require "moonport.bounded"
local learner = require "moonport.lesson.learner"

describe("A learner's script", function()
  local function run(code)
    local path = os.tmpname()
    local file = assert(io.open(path, "w"))
    file:write(code)
    file:close()
    local started = learner.start { "run", bounded.with_parent, path }
    finally(function()
      started:stop()
      os.remove(path)
    end)
    started:wait(200)
    return started
  end

  it("is stopped when it takes too much memory", function()
    local started = run("local all = {} while true do all[#all + 1] = ('x'):rep(1 << 20) end")
    assert.equal("memory", started.excess)
    assert.is_truthy(started.code)
  end)

  it("is stopped when it prints too much", function()
    assert.equal("output", run("while true do print(('x'):rep(1000)) end").excess)
  end)

  it("is asked for its exit code, and its last words", function()
    local started = run("print('so long') os.exit(7)")
    assert.is_nil(started.excess)
    assert.equal(7, started.code)
    assert.matches("so long", started:last_words())
  end)
end)
