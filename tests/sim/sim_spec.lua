-- sim_spec.lua — the simulator itself: its command line, that a seed is a schedule, how it shrinks.

local shell = require "tests.support.shell"

local function sim(...)
  return shell.run({ os.getenv("SIM"), ... })
end

describe("the simulator", function()
  local wrong = {
    ["a seed that is no number"] = { { "--seed", "x" }, '--seed needs a number.*not "x"' },
    ["a seed that is negative"] = { { "--seed", "-1" }, '--seed needs a number.*not "%-1"' },
    ["no steps"] = { { "--steps", "0" }, "--steps needs a number from 1 to" },
    ["no seconds"] = { { "--seconds", "0" }, "--seconds needs a number from 1 to" },
    ["a number that is missing"] = { { "--seed" }, "--seed needs a number" },
    ["an option that there is not"] = { { "--sed", "1" }, 'unknown option "%-%-sed"' },
    ["steps that there are not"] = {
      { "--seed", "1", "--steps", "5", "--only", "6" }, "a list of steps from 1 to 5" },
    ["a list that is none"] = { { "--seed", "1", "--only", "1;2" }, "a list of steps from 1 to" },
  }
  for name, case in pairs(wrong) do
    it("refuses " .. name .. ", with one line", function()
      local result = sim(table.unpack(case[1]))
      assert.equal(2, result.code)
      assert.matches("^sim: [^\n]*" .. case[2] .. "[^\n]*\n$", result.stderr)
    end)
  end

  it("says how it is used", function()
    assert.matches("^Usage: sim .*%-%-seed N", sim("--help").stdout)
  end)

  it("does the same for the same seed", function()
    for _, seed in ipairs({ "3", "4" }) do
      local digests = {}
      for index = 1, 2 do
        local result = sim("--seed", seed, "--steps", "300")
        assert.equal(0, result.code, result.stdout .. result.stderr)
        digests[index] = result.stdout:match("digest is (%x+)")
      end
      assert.is_string(digests[1])
      assert.equal(digests[1], digests[2])
    end
  end)

  it("plays chosen steps only", function()
    local result = sim("--seed", "3", "--steps", "50", "--only", "2,5")
    assert.equal(0, result.code, result.stderr)
    assert.matches("^ +2 [^\n]*\n +5 [^\n]*\n", result.stdout)
    assert.matches("does not fail\n$", result.stdout)
  end)

  it("names a few steps that fail, and both replays fail again", function()
    local faulty = os.getenv("FAULTY_SIM")
    local result = shell.run({ faulty, "--seed", "1", "--seconds", "60" })
    assert.equal(1, result.code)
    local seed, steps = result.stdout:match("replay: ./dev sim %-%-seed (%d+) %-%-steps (%d+)\n")
    local only = result.stdout:match("%-%-only ([%d,]+)\n")
    assert.is_true(tonumber((result.stdout:match("(%d+) of these steps"))) < 15, result.stdout)
    assert.equal(1, shell.run({ faulty, "--seed", seed, "--steps", steps }).code)
    result = shell.run({ faulty, "--seed", seed, "--steps", steps, "--only", only })
    assert.equal(1, result.code)
    assert.matches("fails\n$", result.stdout)
    assert.matches("sim: ", result.stderr)
  end)
end)
