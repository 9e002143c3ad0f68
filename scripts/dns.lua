-- dns.lua — a DNS server for the few names below: A, AAAA and TXT records, over UDP (RFC 1035).
-- Try it:  moonport scripts/dns.lua                          and in another terminal
--          dig @127.0.0.1 -p 5353 moon.test A +short

local TTL_SECONDS = 60
local A, TXT, AAAA = 1, 16, 28
local NO_ERROR, FORMAT_ERROR, NO_SUCH_NAME, NOT_IMPLEMENTED, REFUSED = 0, 1, 3, 4, 5

local ZONE = "%.test$" -- of other names nothing is known

local records = {
  ["moon.test"] = {
    [A] = { string.char(192, 0, 2, 1), string.char(192, 0, 2, 2) },
    [AAAA] = { "\x20\x01\x0d\xb8" .. ("\0"):rep(11) .. "\1" }, -- 2001:db8::1
    [TXT] = { string.pack("s1", "one small step") },
  },
  ["port.test"] = { [A] = { string.char(192, 0, 2, 80) } },
}

-- The name that begins at `at`, in lower case, and where the next field begins; nil when it is cut.
local function read_name(packet, at)
  local labels = {}
  repeat
    local size = packet:byte(at)
    if not size or size > 63 or at + size > #packet then return nil end
    labels[#labels + 1] = packet:sub(at + 1, at + size):lower()
    at = at + 1 + size
  until size == 0
  return table.concat(labels, ".", 1, #labels - 1), at
end

local function answer_to(packet)
  local id, flags, questions = string.unpack(">I2I2I2", packet)
  local code, question, answers = FORMAT_ERROR, "", {}
  local name, at = read_name(packet, 13)
  if flags & 0x7800 ~= 0 then
    code = NOT_IMPLEMENTED -- another operation than a query
  elseif questions == 1 and name and at + 3 <= #packet then
    local known, kind = records[name], string.unpack(">I2", packet, at)
    question = packet:sub(13, at + 3)
    code = known and NO_ERROR or name:find(ZONE) and NO_SUCH_NAME or REFUSED
    for index, value in ipairs(known and known[kind] or {}) do
      -- 0xC00C: the name as it stands in the question. Class 1: the Internet.
      answers[index] = string.pack(">I2I2I2I4s2", 0xC00C, kind, 1, TTL_SECONDS, value)
    end
  end
  flags = 0x8400 | flags & 0x7900 | code -- a reply, with authority; operation as asked
  local head = string.pack(">I2I2I2I2I4", id, flags, #question > 0 and 1 or 0, #answers, 0)
  return head .. question .. table.concat(answers)
end

return {
  listen = "udp://:5353",

  on_datagram = function(sock, data, peer)
    if #data < 12 or data:byte(3) >= 128 then return end -- no header, or a reply: never answered
    sock:send(answer_to(data), peer)
  end,
}
