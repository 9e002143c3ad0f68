-- run.lua — the command line of play.lua, as ./dev torture random calls it — plays nothing itself.

local play = require "tests.random.play"

local given = { ["--seed"] = os.time(), ["--steps"] = 100000 }
for index = 1, #arg, 2 do
  local number = math.tointeger(tonumber(arg[index + 1]))
  if not given[arg[index]] or not number then
    io.stderr:write("usage: ./dev torture random [--seed N] [--steps N]\n")
    os.exit(2)
  end
  given[arg[index]] = number
end

print(("seed %d"):format(given["--seed"]))
local ok, result = pcall(play.play, given["--seed"], given["--steps"], function(text)
  print(text)
  io.stdout:flush()
end)
if not ok then
  print("FAILED: " .. result)
  os.exit(1)
end
print(("%d calls, %d reloads: all as it must be"):format(result.ran, result.saves))
