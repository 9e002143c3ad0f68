-- python.lua — which Python has a package: where there are several, a distribution's packages are
-- those of its own — does not install any.

local shell = require "tests.support.shell"

local python = {}

--- The interpreter that can import `module`; raises where none can.
function python.having(module)
  for _, interpreter in ipairs({ "python3", "/usr/bin/python3" }) do
    if shell.run({ interpreter, "-c", "import " .. module }).code == 0 then return interpreter end
  end
  error(("no Python has %q; run: ./dev test"):format(module))
end

return python
