-- http_h11_spec.lua — hostile requests and responses before another reader, python3-h11 — asks no
-- server.
--
-- What we make of them is proved by unit/http_corpus_test and http_hostile_spec.lua; here is what
-- another strict reader makes of the same rows. Where it reads what we refuse, the row says why;
-- where it refuses, we must not read.

local hostile = require "tests.support.hostile"
local python = require "tests.support.python"
local shell = require "tests.support.shell"

-- At least so many that h11 refuses, and that it does not.
local CORPORA = {
  requests = { path = hostile.REQUESTS, same = 200, stricter = 100 },
  responses = { path = hostile.RESPONSES, same = 30, stricter = 10 },
}

for what, corpus in pairs(CORPORA) do
  describe("the corpus of hostile " .. what, function()
    local verdicts, rows = {}, hostile.rows(corpus.path)

    setup(function()
      local interpreter = python.having("h11")
      local result = shell.run({ interpreter, "tests/http/h11_judge.py", corpus.path, what })
      assert.equal("", result.stderr)
      for verdict, name in result.stdout:gmatch("(%w+) ([^\n]*)\n") do verdicts[name] = verdict end
    end)

    it("has one row of each name, and h11 judged all of them", function()
      local seen = {}
      for _, row in ipairs(rows) do
        assert.is_nil(seen[row.name], row.name)
        seen[row.name] = true
        assert.is_string(verdicts[row.name], row.name)
      end
    end)

    it("is refused by us wherever h11 refuses it, but for what the standard says", function()
      for _, row in ipairs(rows) do
        if row.is_tame and verdicts[row.name] ~= "reads" then
          assert.equal("refuses", verdicts[row.name], row.name)
          assert.matches("^RFC %d+, ", row.why, row.name)
        end
      end
    end)

    it("says why we refuse what h11 reads, and only there", function()
      local stricter, same = 0, 0
      for _, row in ipairs(rows) do
        if not row.is_tame then
          local refuses = verdicts[row.name] == "refuses"
          assert.equal(refuses, row.why == "-", row.name .. ": h11 " .. verdicts[row.name])
          stricter, same = stricter + (refuses and 0 or 1), same + (refuses and 1 or 0)
        end
      end
      local counts = ("%d and %d"):format(stricter, same)
      assert.is_true(stricter >= corpus.stricter and same >= corpus.same, counts)
    end)
  end)
end
