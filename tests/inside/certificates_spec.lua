-- certificates_spec.lua — a certificate that comes to its end is told of once a day, in fake time.

local test = require "moonport.test"

local function run(command) assert(os.execute(command .. " >/dev/null 2>&1"), command) end

describe("a certificate that comes to its end", function()
  local folder

  before_each(function()
    local pipe <close> = assert(io.popen("mktemp -d"))
    folder = pipe:read("l")
    run(("cd %s && openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 5 " ..
      "-subj /CN=a.test -addext subjectAltName=DNS:a.test -keyout a.key -out a.pem"):format(folder))
    local file <close> = assert(io.open(folder .. "/test.lua", "w"))
    file:write([[
      return {
        tls = { cert = "a.pem", key = "a.key" }, -- for starttls
        on_data = function() end,
      }
    ]])
  end)

  after_each(function() run("rm -r " .. folder) end)

  it("is told of at the start, and then once a day", function()
    local script = test.load(folder .. "/test.lua")
    local function count()
      local found = 0
      for _, record in ipairs(script.log) do
        if record.message:find("a%.pem: the certificate ends in %d days") then found = found + 1 end
      end
      return found
    end
    assert.equal(1, count())
    script:advance(86399)
    assert.equal(1, count())
    script:advance(1)
    assert.equal(2, count())
    script:advance(86400)
    assert.equal(3, count())
  end)
end)
