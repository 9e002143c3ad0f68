-- reloading.lua — a server on one script that a test changes, and reloads by asking for it — no
-- claim on what follows.

local control = require "tests.support.control"
local loop = require "tests.support.loop"

local reloading = {}

local Reloading = {}
Reloading.__index = Reloading

--- Starts a server of the rig on the script. Options: those of `server.start`; `own_listen`: it
--- listens where the script says. The fields: `server`, `folder`, and `asked`, a client of the
--- control socket.
function reloading.start(moonport, script, options)
  local self = setmetatable({ folder = moonport:directory(), version = 1 }, Reloading)
  local args = { "--no-watch", self.folder:write("test.lua", script) }
  options = options or {}
  options.control = true
  if not options.own_listen then table.move({ "--listen", "127.0.0.1:0" }, 1, 2, 3, args) end
  self.server = moonport:serve(args, options)
  self.asked = control.connect(self.server)
  return self
end

--- Loads the script, or the new text of it, as its next version.
function Reloading:reload(script)
  if script then self.folder:write("test.lua", script) end
  self.version = self.version + 1
  local lines, last = control.ask(self.asked, "reload")
  assert(last.ok, lines[1] and lines[1].error)
  assert(lines[1].version == self.version, "another version is in force")
end

--- What the server tells of the script.
function Reloading:status()
  return control.ask(self.asked, "status")[1]
end

function Reloading:wait_versions(count)
  loop.eventually(function()
    return ("%d versions; there are %d"):format(count, self:status().versions)
  end, function() return self:status().versions == count end)
end

--- The peer says `question` and hears `answer`.
function reloading.ask(peer, question, answer)
  peer:send(question)
  local heard = peer:receive(#answer)
  if heard ~= answer then error(("heard %q in place of %q"):format(heard, answer), 2) end
end

return reloading
