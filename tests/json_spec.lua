-- json_spec.lua — moonport.json: what each value becomes, what is refused, and in which words.

local cjson = require "cjson"
local program = require "tests.support.program"
local rig = require "tests.support.rig"

describe("moonport.json", function()
  local moonport = rig.new()

  local function lines(code)
    return program.lines(moonport, 'local json = require "moonport.json"\n' .. code)
  end

  it("reads every kind of value", function()
    assert.same({ "7\tinteger", "7.0\tfloat", "-1e+300\tfloat", "true", "true", "gr\195\188n",
      "97 0 98", "3", "x" }, lines([[
      for _, text in ipairs { "7", "7.0", "-1e300" } do
        local number = json.decode(text)
        print(number, math.type(number))
      end
      print(json.decode("null") == json.null)
      print(json.decode(" true "))
      print(json.decode('"gr\\u00fcn"'))
      print(table.concat({ json.decode('"a\\u0000b"'):byte(1, -1) }, " "))
      local list = json.decode('[1, null, {"name": "x"}]')
      print(#list)
      print(list[3].name)
    ]]))
  end)

  it("writes what another reader of JSON reads", function()
    local text = lines([[
      print(json.encode({ list = { 1, 2.5, "\n\0\"" }, none = json.null, yes = true,
        empty = json.array(), object = {}, big = 1 << 60 }))
    ]])[1]
    local value = cjson.decode(text)
    assert.same({ 1, 2.5, "\n\0\"" }, value.list)
    assert.equal(cjson.null, value.none)
    assert.is_true(value.yes)
    assert.equal('{"big":1152921504606846976,"empty":[],', text:sub(1, 38))
    assert.matches('"object":{}', text, 1, true)
  end)

  it("tells an empty array from an empty object, there and back", function()
    assert.same({ '{"a":[],"b":{}}', "true", "false", "false", "true" }, lines([[
      local value = json.decode('{"b": {}, "a": []}')
      print(json.encode(value))
      print(json.is_array(value.a))
      print(json.is_array(value.b))
      print(json.is_array("[]"))
      print(json.is_array(json.array({})))
    ]]))
  end)

  it("says where a text is no JSON", function()
    assert.same({ "nil\tline 1, column 0: unexpected token near end of file",
      "nil\tline 2, column 1: unexpected token near ']'",
      "nil\tline 1, column 10: duplicate object key near '\"a\"'",
      "nil\tline 1, column 5: end of file expected near 'x'" }, lines([[
      for _, text in ipairs { "", "[1,\n]", '{"a":1,"a":2}', "[1] x" } do
        print(json.decode(text))
      end
    ]]))
    assert.equal("nil", lines([[print((json.decode('"\255"')))]])[1])
  end)

  it("says what has no form in JSON", function()
    local told = lines([[
      for _, value in ipairs { 1 / 0, 0 / 0, "\255", { 1, a = 2 }, { [2] = 1 }, { 1, nil, 3 },
        { ["\255"] = 1 }, { ["\0"] = 1 }, print, { x = io.stdout } } do
        local text, message = json.encode(value)
        print(text, #message > 10)
      end
      print(json.encode(nil))
    ]])
    for index = 1, 10 do assert.equal("nil\ttrue", told[index]) end
    assert.matches("json.null", told[11], 1, true)
  end)

  it("bounds depth and size, also of a table that holds itself", function()
    assert.same({ "true", "nil\tit is nested deeper than 100 levels",
      "nil\tit is nested deeper than 100 levels, or a table holds itself",
      "nil\tit is nested deeper than 100 levels, or a table holds itself",
      "nil\tthe text is longer than 4 MiB", "nil\tthe text is longer than 4 MiB", "nil" }, lines([[
      local function nested(depth) return ("["):rep(depth) .. ("]"):rep(depth) end
      local deepest = json.decode(nested(100))
      print(json.encode(deepest) == nested(100))
      print(json.decode(nested(101)))
      print(json.encode({ deepest }))
      local circle = {}
      circle.circle = circle
      print(json.encode(circle))
      print(json.decode((" "):rep(4 << 20) .. "1"))
      print(json.encode(("x"):rep(4 << 20)))
      print((json.decode(("["):rep(1 << 20))))
    ]]))
  end)
end)
