-- control.lua — the script behind the target for control commands: an echo that ends what `eval`
-- made too long, and has nothing in reach with which code of a fuzzer could do harm.

-- luacheck: ignore 121 122
os, io, package, debug, dofile, loadfile, require = nil, nil, nil, nil, nil, nil, nil

return {
  on_data = function(conn, data) conn:send(data) end,
  limits = { cpu_ms = 20, memory = "8M" },
}
