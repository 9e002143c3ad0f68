-- http_h11_spec.lua — the hostile requests before another reader: python3-h11 — asks no server.
--
-- What we answer is proved by unit/http_corpus_test and http_hostile_spec.lua; here is what another
-- strict reader makes of the same rows. Where it reads what we refuse, the row says why; where it
-- refuses, we must not read.

local hostile = require "tests.support.hostile"
local python = require "tests.support.python"
local shell = require "tests.support.shell"

describe("the corpus of hostile requests", function()
  local verdicts = {}

  setup(function()
    local result = shell.run({ python.having("h11"), "tests/http/h11_judge.py", hostile.PATH })
    assert.equal("", result.stderr)
    for verdict, name in result.stdout:gmatch("(%w+) ([^\n]*)\n") do verdicts[name] = verdict end
  end)

  it("has one row of each name, and h11 judged all of them", function()
    local seen = {}
    for _, row in ipairs(hostile.rows()) do
      assert.is_nil(seen[row.name], row.name)
      seen[row.name] = true
      assert.is_string(verdicts[row.name], row.name)
    end
  end)

  it("is refused by us wherever h11 refuses it, but for what the standard says", function()
    for _, row in ipairs(hostile.rows()) do
      if row.status == "ok" and verdicts[row.name] ~= "reads" then
        assert.equal("refuses", verdicts[row.name], row.name)
        assert.matches("^RFC %d+, ", row.why, row.name)
      end
    end
  end)

  it("says why we refuse what h11 reads, and only there", function()
    local stricter, same = 0, 0
    for _, row in ipairs(hostile.rows()) do
      if row.status ~= "ok" then
        local refuses = verdicts[row.name] == "refuses"
        assert.equal(refuses, row.why == "-", row.name .. ": h11 " .. verdicts[row.name])
        stricter, same = stricter + (refuses and 0 or 1), same + (refuses and 1 or 0)
      end
    end
    assert.is_true(stricter > 100 and same > 200, ("%d and %d"):format(stricter, same))
  end)
end)
