-- shell.lua — runs another program to its end, as an independent client — does not know moonport.

local process = require "tests.support.process"

local shell = {}

--- Runs `command` (a list) with the text `options.stdin` as its input.
--- Returns { code, signal, stdout, stderr }; raises when it does not end within the deadline.
function shell.run(command, options)
  local merged = { stdin = "" }
  for name, value in pairs(options or {}) do merged[name] = value end
  local child = process.spawn(command, merged)
  local ok, code, signal = pcall(child.wait, child)
  child:release()
  if not ok then error(code, 2) end
  return { code = code, signal = signal, stdout = child:stdout(), stderr = child:stderr() }
end

--- Starts `command` and leaves it running; the caller waits for it and releases it.
function shell.start(command, options)
  return process.spawn(command, options)
end

--- Whether `program` can be found; tests that need one that is missing are pending, not green.
function shell.has(program)
  return shell.run({ "sh", "-c", 'command -v "$0"', program }).code == 0
end

--- The words before a command that give it a network of its own ("n"), and mounts ("nm"). Root asks
--- for them as root: in a chroot nobody may make a user namespace.
function shell.unshare(what)
  local is_root = shell.run({ "id", "-u" }).stdout == "0\n"
  return { "unshare", (is_root and "-" or "-r") .. what }
end

--- One list of words.
function shell.words(...)
  local all = {}
  for _, part in ipairs({ ... }) do
    for _, word in ipairs(type(part) == "table" and part or { part }) do all[#all + 1] = word end
  end
  return all
end

return shell
