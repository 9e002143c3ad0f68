-- supports.lua — what the program under test has of what not every system has, as it says itself
-- (moonport --version) — does not judge whether that is right.

local busted = require "busted"
local server = require "tests.support.server"
local shell = require "tests.support.shell"

local supports = {}

local lacks

--- Whether it has `name`: "tcp-info", "abstract-sockets" and the others of
--- src/base/platform/portable.c; "LMDB", "libedit".
function supports.has(name)
  if not lacks then
    lacks = {}
    local told = shell.run({ server.program, "--version" })
    for lack in ("\n" .. told.stdout):gmatch("\nno ([%w-]+):") do lacks[lack] = true end
  end
  return not lacks[name]
end

--- `it` for what takes `name`: pending where the program does not have it.
function supports.it(name, sentence, test)
  if supports.has(name) then return busted.it(sentence, test) end
  return busted.pending(("%s (this build has no %s)"):format(sentence, name))
end

--- `describe` likewise: all of it takes `name`.
function supports.describe(name, subject, tests)
  return busted.describe(subject, supports.has(name) and tests or function()
    busted.pending(("this build has no %s"):format(name))
  end)
end

return supports
