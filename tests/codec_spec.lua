-- codec_spec.lua — moonport.codec, beside the vectors of its standards, OpenSSL and Python.

local program = require "tests.support.program"
local rig = require "tests.support.rig"
local shell = require "tests.support.shell"

describe("moonport.codec", function()
  local moonport = rig.new()

  local function lines(code, options)
    return program.lines(moonport, 'local codec = require "moonport.codec"\n' .. code, options)
  end

  it("codes the vectors of RFC 4648", function()
    assert.same({ "  ", "Zg== Zg 66", "Zm8= Zm8 666f", "Zm9v Zm9v 666f6f",
      "Zm9vYg== Zm9vYg 666f6f62", "//4A __4A fffe00", "true" }, lines [[
      local same = true
      for _, bytes in ipairs { "", "f", "fo", "foo", "foob", "\xff\xfe\0" } do
        local texts = {}
        for index, name in ipairs { "base64", "base64url", "hex" } do
          texts[index] = codec[name].encode(bytes)
          same = same and codec[name].decode(texts[index]) == bytes
        end
        print(table.concat(texts, " "))
      end
      print(same)
    ]])
  end)

  it("gives back all bytes, whatever their number", function()
    assert.same({ "true" }, lines [[
      local all = {}
      for byte = 0, 255 do all[byte + 1] = string.char(byte) end
      all = table.concat(all)
      local same = true
      for _, name in ipairs { "base64", "base64url", "hex", "url" } do
        for size = 0, 256 do
          local bytes = all:sub(1, size)
          same = same and codec[name].decode(codec[name].encode(bytes)) == bytes
        end
      end
      print(same and codec.hex.decode("AbFf") == "\xab\xff")
    ]])
  end)

  -- Two texts that mean the same bytes let a token be changed without anybody noticing.
  it("decodes nothing but what an encoder gives, and says where it is wrong", function()
    assert.same({ "base64 nil no base64 at byte 3",
      "base64 nil the base64 ends too soon: byte 3 is missing",
      "base64 nil no base64 at byte 2", "base64 nil no base64 at byte 4",
      "base64 nil no base64 at byte 3", "base64url nil no base64url at byte 1",
      "base64url nil the base64url ends too soon: byte 2 is missing", "base64url \xff nil",
      "hex nil no hex at byte 2", "hex nil the hex ends too soon: byte 4 is missing",
      "url nil a % without two hexadecimal digits at byte 2",
      "url nil a % without two hexadecimal digits at byte 1" }, lines [[
      for _, each in ipairs {
        { "base64", "Zg==Zg==" }, { "base64", "Zg" }, { "base64", "Zh==" }, { "base64", "Zm9*" },
        { "base64", "Zg=\n" }, { "base64url", "/w" }, { "base64url", "Z" }, { "base64url", "_w==" },
        { "hex", "0g" }, { "hex", "0fa" }, { "url", "a%4" }, { "url", "%zz" },
      } do
        local name, text = each[1], each[2]
        local value, fault = codec[name].decode(text)
        print(name .. " " .. tostring(value) .. " " .. tostring(fault))
      end
    ]])
  end)

  it("escapes in addresses all that could mean something there", function()
    assert.same({ "A-._~z0%20%2B%2F%3F%26%3D%25%00%C3%BC", "a+b \195\188" }, lines [[
      print(codec.url.encode("A-._~z0 +/?&=%\0\xc3\xbc"))
      print(codec.url.decode("a+b%20%c3%BC"))
    ]])
  end)

  it("reads a query: the last one of a name wins, and all are in the list", function()
    assert.same({ "2\t y\t\tnil", "a=1 b= a=2 x= y =z",
      "nil\ta % without two hexadecimal digits at byte 7",
      "nil\ta % without two hexadecimal digits at byte 5", "0\t0" }, lines [[
      local text = "a=1&b&&a=2&x=%20y&=z"
      local parameters = codec.query.decode(text)
      print(parameters.a, parameters.x, parameters.b, parameters.c)
      local all = {}
      for _, pair in ipairs(codec.query.list(text)) do
        all[#all + 1] = table.concat(pair, "=")
      end
      print(table.concat(all, " "))
      print(codec.query.decode("a=1&b=%zz"))
      print(codec.query.list("a=1&%zz"))
      print(#codec.query.list(""), #codec.query.list("&&&"))
    ]])
  end)

  it("writes a query, which reads as what it was", function()
    assert.same({ "a=1&a=2&b=true&c%20d=%26%3D%2B", "z=1&a=2&z=3", "" }, lines [[
      print(codec.query.encode({ b = true, a = { 1, 2 }, ["c d"] = "&=+" }))
      print(codec.query.encode(codec.query.list("z=1&a=2&z=3")))
      print(codec.query.encode({}))
    ]])
  end)

  it("digests and signs as OpenSSL does, and checks sums as zlib", function()
    local text = ("moonport\0"):rep(1000)
    local function openssl(...)
      return (shell.run({ "openssl", "dgst", "-r", ... }, { stdin = text }).stdout:match("^%x+"))
    end
    local crc = shell.run({ "python3", "-c",
      "import sys, zlib; print(zlib.crc32(sys.stdin.buffer.read()))" }, { stdin = text }).stdout
    assert.same({ openssl("-sha1"), openssl("-sha256"), openssl("-sha512"),
      openssl("-sha256", "-hmac", "key"), crc:match("%d+"), crc:match("%d+") }, lines [[
      local text = ("moonport\0"):rep(1000)
      for _, name in ipairs { "sha1", "sha256", "sha512" } do
        print(codec.hex.encode(codec[name](text)))
      end
      print(codec.hex.encode(codec.hmac("sha256", "key", text)))
      print(codec.crc32(text))
      print(codec.crc32(text:sub(5), codec.crc32(text:sub(1, 4))))
    ]])
  end)

  it("makes random bytes, compares secrets, and repeats a key", function()
    assert.same({ "0\t33\tfalse", "true\tfalse\tfalse\ttrue", "60b1\tabc" }, lines [[
      print(#codec.random(0), #codec.random(33), codec.random(16) == codec.random(16))
      print(codec.equal("ab", "ab"), codec.equal("ab", "ac"), codec.equal("ab", "abc"),
        codec.equal("", ""))
      print(codec.hex.encode(codec.xor("ab", "\1\xd3")), codec.xor(codec.xor("abc", "key"), "key"))
    ]])
  end)

  it("raises in the author's line for what cannot be meant", function()
    local told = lines [[
      local function why(f, ...) print((select(2, pcall(f, ...)))) end
      why(function() codec.hmac("md5", "key", "x") end)
      why(function() codec.random(1 << 30) end)
      why(function() codec.xor("x", "") end)
      why(function() codec.base64.encode("x", true) end)
      why(function() codec.query.encode({ 1 }) end)
      why(function() codec.query.encode({ x = print }) end)
      why(function() codec.query.encode("x") end)
    ]]
    local expected = { "unknown digest 'md5' (known: sha1, sha256, sha512)", "0 to 1048576 bytes",
      "must not be empty", "it takes one argument", "takes a list of pairs", "no function",
      "table expected, got string" }
    assert.equal(#expected, #told)
    for index, words in ipairs(expected) do
      assert.matches("^%(command line%):%d+: ", told[index])
      assert.matches(words, told[index], 1, true)
    end
  end)

  -- A decoder that looks at what it has again and again takes minutes for this.
  it("takes megabytes as they come", function()
    assert.same({ "true" }, lines [[
      local text = ("a%20&=+%ff"):rep(1 << 18)
      local same = true
      for _, name in ipairs { "base64", "base64url", "hex", "url" } do
        same = same and codec[name].decode(codec[name].encode(text)) == text
      end
      print(same and #codec.query.list(text) == (1 << 18) + 1)
    ]])
  end)
end)
