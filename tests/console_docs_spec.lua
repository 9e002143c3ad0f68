-- console_docs_spec.lua — the session that docs/console.md shows is what happens.

local control = require "tests.support.control"
local loop = require "tests.support.loop"
local rig = require "tests.support.rig"
local supports = require "tests.support.supports"

-- What differs from one run to the next, and the width of columns that follows from it.
local function without_figures(text)
  text = text:gsub("127%.0%.0%.1:%d+", "ADDRESS"):gsub("%d+%.%d+ s", "TIME")
  text = text:gsub("receive space +%S+ %S+", "receive space"):gsub("round trip[^\n]*", "round trip")
  text = text:gsub("peer's window +%S+ %S+,", "peer's window"):gsub("  our window[^\n]*\n", "")
  text = text:gsub("congestion window[^\n]*", "congestion window"):gsub("%S+/scripts/", "scripts/")
  return (text:gsub(" +", " "))
end

-- The blocks of the page in order: { info, text }.
local function blocks_of(page)
  local file = assert(io.open(page))
  local text = file:read("a")
  file:close()
  local blocks = {}
  for info, body in text:gmatch("\n```(%l+)\n(.-)\n```") do
    if info == "console" or info == "peer" then
      blocks[#blocks + 1] = { info = info, text = body }
    end
  end
  return blocks
end

-- The lines of a block that follow a prompt, each with what is shown below it.
local function steps_of(block)
  local steps = {}
  for line in (block.text .. "\n"):gmatch("([^\n]*)\n") do
    local command = line:match("^moonport> (.*)$")
    if command then
      steps[#steps + 1] = { command = command, shown = "" }
    else
      steps[#steps].shown = steps[#steps].shown .. line .. "\n"
    end
  end
  return steps
end

describe("docs/console.md", function()
  local moonport = rig.new()

  supports.it("tcp-info", "shows a session as it is", function()
    local server = moonport:serve({ "--listen", "127.0.0.1:0", "scripts/echo.lua" },
      { control = true })
    local peer = server:connect()
    peer:send("x")
    assert.equal("x", peer:receive(1)) -- so that it is connection 1
    local count = 0
    for _, block in ipairs(blocks_of("docs/console.md")) do
      if block.info == "peer" then
        peer:send(block.text .. "\n")
        loop.eventually("the bytes to arrive", function()
          return select(2, control.ask_once(server, "tcp 1")).unread == #block.text + 1
        end)
      else
        for _, step in ipairs(steps_of(block)) do
          local result = moonport:run({ "console", "--control", server.control },
            { stdin = step.command .. "\n" })
          assert.equal(without_figures(step.shown),
            without_figures(result.stdout .. result.stderr), step.command)
          if step.command == "step 1" then assert.equal("h", peer:receive(1)) end
          if step.command == "resume 1" then assert.equal("ello\n", peer:receive(5)) end
          count = count + 1
        end
      end
    end
    assert.equal("bye\n", peer:receive_all())
    assert.is_true(count >= 12)
  end)
end)
