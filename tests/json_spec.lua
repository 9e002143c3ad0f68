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

  it("writes numbers that are the same when they are read again, floats as floats", function()
    assert.same({ "[0.1,1e+300,1.0,-0.0,1e+15,9007199254740992.0," ..
      "0.3333333333333333,4.94065645841247e-324," ..
      "-9223372036854775808,9223372036854775807,-7,100000000000000.0]", "true" }, lines([[
      local numbers = { 0.1, 1e300, 1.0, -0.0, 1e15, 2.0 ^ 53, 1 / 3, 5e-324, math.mininteger,
        math.maxinteger, -7, 1e14 }
      print(json.encode(numbers))
      local same = true
      for index, number in ipairs(json.decode(json.encode(numbers))) do
        same = same and number == numbers[index]
          and math.type(number) == math.type(numbers[index])
      end
      print(same)
    ]]))
  end)

  it("puts the names of each object in order, however many and however deep", function()
    assert.same({ "true", '{"":0,"a":{"b":1,"c":2},"aa":3,"z":[{"x":1,"y":2}]}' }, lines([[
      local object, names = {}, {}
      for index = 1, 2000 do
        names[index] = ("%x"):format(index * 7919 % 65536)
        object[ names[index] ] = index
      end
      table.sort(names)
      local sorted, at = true, 1
      for name in json.encode(object):gmatch('"(%x+)":') do
        sorted = sorted and name == names[at]
        at = at + 1
      end
      print(sorted and at == 2001)
      print(json.encode({ z = { { y = 2, x = 1 } }, aa = 3, [""] = 0, a = { c = 2, b = 1 } }))
    ]]))
  end)

  -- Whoever sends one of these must cost no more than the answer that it is none.
  it("refuses what hostile peers send, and says where it is wrong", function()
    local told = lines([[
      for _, text in ipairs {
        ("["):rep(10000) .. ("]"):rep(10000), ('{"a":'):rep(10000) .. "1" .. ("}"):rep(10000),
        "[1,\nNaN]", "[Infinity]", "[-Infinity]", "[1,]", "{'a':1}", "[01]", "[.5]", "[1 2]",
        '"\t"',
        '"\xff"', '"\xc0\x80"', '"\xed\xa0\x80"', '"\\ud800"', '"\\x41"',
        '{"a":{"b":1,"b":2}}', "1e999", "99999999999999999999", "//", "\xef\xbb\xbf1",
        (" "):rep(16 << 20),
      } do
        local value, message = json.decode(text)
        print(tostring(value) .. " " .. message)
      end
    ]])
    assert.equal(22, #told)
    for index = 1, 21 do assert.matches("^nil line %d+, column %d+: .", told[index]) end
    assert.equal("nil the text is longer than 4 MiB", told[22])
    assert.matches("^nil line 2, column %d: ", told[3])
  end)
end)
