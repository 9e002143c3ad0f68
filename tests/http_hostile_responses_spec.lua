-- http_hostile_responses_spec.lua — moonport.http before servers that answer in two ways at once:
-- the rows of tests/http/hostile_responses.txt — not what good servers answer
-- (http_client_spec.lua).

local hostile = require "tests.support.hostile"
local rig = require "tests.support.rig"

-- /N is answered with row N, and at once with an answer to what nobody has asked yet; anything else
-- with its own name.
local SERVICE = [[
  local rows = require "rows"
  local NEXT = "HTTP/1.1 200 Next\r\nContent-Length: 4\r\n\r\nNext"
  return { frame = { delimiter = "\r\n\r\n" }, on_message = function(conn, head)
    local target = head:match("^%u+ /(%w+)")
    local row = rows[tonumber(target)]
    conn:send(row and row .. NEXT or
      ("HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s"):format(#target, target))
  end }
]]

-- Asks for each row, and then, on whichever connection there is, for something else.
local PROGRAM = [[
  local http, rows = require "moonport.http", require "methods"
  local base = ("http://127.0.0.1:%s/"):format(arg[1])
  for i, method in ipairs(rows) do
    local response, code = http.request({ url = base .. i, method = method, timeout = 10 })
    local after, fault = http.get(base .. "after")
    print(response and response.status or code, after and after.body or fault)
  end
]]

describe("moonport.http", function()
  local moonport = rig.new()

  local function module(list)
    local quoted = {}
    for i, text in ipairs(list) do quoted[i] = ("%q"):format(text) end
    return "return { " .. table.concat(quoted, ",\n") .. " }\n"
  end

  it("reads no hostile response, and never takes what follows one for the next answer", function()
    local rows, bytes, methods = hostile.rows(hostile.RESPONSES), {}, {}
    for i, row in ipairs(rows) do
      bytes[i], methods[i] = row.bytes, row.status == "head" and "HEAD" or "GET"
    end
    local directory = moonport:directory()
    directory:write("rows.lua", module(bytes))
    directory:write("methods.lua", module(methods))
    local server = moonport:serve({ "--listen", "127.0.0.1:0",
      directory:write("test.lua", SERVICE) })
    local path = directory:write("program.lua", PROGRAM)
    local result = moonport:run({ "run", path, tostring(server:port()) })
    assert.equal("", result.stderr)
    local i = 0
    for answer, after in result.stdout:gmatch("(%S+)\t(%S+)\n") do
      i = i + 1
      local status = rows[i].bytes:match("HTTP/1%.. ([2-9]%d%d)") -- behind those of 1xx
      assert.equal(rows[i].is_tame and status or "malformed", answer, rows[i].name)
      assert.equal("after", after, rows[i].name)
    end
    assert.equal(#rows, i)
  end)
end)
