-- moonport.test — tests of a script without a socket: peers that send what a test says, cut as it
-- says, in time that passes when it says so.
--
-- The script runs in the server's own core, on a clock and a network that the test moves
-- (src/server/testing/). What each call takes and returns is told in lua/meta/test.lua.

local has_core = pcall(require, "moonport.test.core")
if not has_core then
  error("moonport.test needs the program itself, whose rules it tests by. Run the spec in it:\n" ..
    "  moonport run \"$(command -v busted)\" SPEC.lua\n" ..
    "or begin the spec with  require \"busted.runner\"()  and then:  moonport run SPEC.lua", 0)
end

local calls = require "moonport.calls"
local Script = require "moonport.test.script"

local M = {}

function M.load(path, options)
  calls.check(path, 1, "load", "string")
  calls.check(options, 2, "load", "table", "nil")
  return Script.load(path, nil, options)
end

function M.load_text(text, options)
  calls.check(text, 1, "load_text", "string")
  calls.check(options, 2, "load_text", "table", "nil")
  return Script.load("(text)", text, options)
end

M.cut = require "moonport.test.cut"

calls.by_dot(M, "test")
return M
