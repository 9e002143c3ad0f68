-- last_message_spec.lua — what the peer's FIN cuts off is given or told, by each way to read
-- messages — not what a message is.

local rig = require "tests.support.rig"

-- By frame: two messages whole, the beginning of a third, and what of it is a message all the same.
local frames = {
  ['"line"'] = { "one\r\ntwo\n", "thr", given = true },
  ['"line" with half of its end'] = { "one\ntwo\n", "thr\r", given = true, frame = '"line"' },
  ['{ delimiter = "||" }'] = { "one||two||", "thr|", given = true },
  ['{ length = "u8" }'] = { "\3one\3two", "\5thr" },
  ['"netstring"'] = { "3:one,3:two,", "5:thr" },
  ["{ fixed = 3 }"] = { "onetwo", "th" },
}

-- What a script tells of the end of the third, by the way it reads.
local handler = [[
  return {
    frame = %s,
    on_message = function(conn, message, ending)
      print(("> %%q %%s"):format(message, ending))
      conn:send "k"
    end,
    on_eof = function(conn) print "> on_eof" conn:close() end,
  }
]]
local main = [[
  return {
    main = function(conn)
      repeat
        local message, code, partial = conn:%s
        print(("> %%q %%s%%s"):format(message or partial or "", message and "" or code,
          not message and partial and " partial" or ""))
        if message then conn:send "k" end
      until not message
    end,
  }
]]

describe("the last message of a connection", function()
  local moonport = rig.new()

  -- Sends both parts, the second one alone and with the FIN right behind it.
  local function play(script, whole, cut)
    local server = moonport:start(script)
    local peer = server:connect()
    peer:send(whole)
    peer:receive(2)
    if #cut > 0 then peer:send(cut) end
    peer:finish()
    peer:receive_end()
    peer:close()
    server:wait_idle()
    return server:told(), server
  end

  for name, case in pairs(frames) do
    local frame, whole, cut = case.frame or name, case[1], case[2]
    local before = { '"one" nil', '"two" nil' }

    it("is given to on_message, or told in the log: " .. name, function()
      local told, server = play(handler:format(frame), whole, cut)
      if case.given then
        before[3] = ("%q eof"):format(cut)
      else
        server:wait_for(("the peer ended within a message: %d bytes? of it %%w+ dropped"):format(
          #cut))
      end
      before[#before + 1] = "on_eof"
      assert.same(before, told)
    end)

    it("is nothing where the bytes end with a message: " .. name, function()
      assert.same({ '"one" nil', '"two" nil', "on_eof" }, (play(handler:format(frame), whole, "")))
    end)

    it("is told by recv_message: " .. name, function()
      assert.same({ '"one" ', '"two" ', ("%q eof partial"):format(cut) },
        (play(main:format(("recv_message(%s)"):format(frame)), whole, cut)))
    end)
  end

  it("is told by recv_line and recv_until in the same words", function()
    local wanted = { '"one" ', '"two" ', '"thr" eof partial' }
    assert.same(wanted, (play(main:format "recv_line()", "one\ntwo\n", "thr")))
    assert.same(wanted, (play(main:format 'recv_until("||")', "one||two||", "thr")))
  end)

  it("comes before on_eof, and after a handler that waits", function()
    local told = play([[
      local timer = require "moonport.timer"
      return {
        frame = "line",
        on_message = function(conn, message, ending)
          if message == "two" then conn:send "kk" timer.sleep(0.05) end
          print(("> %s %s"):format(message, ending))
        end,
        on_eof = function(conn) print "> on_eof" conn:close() end,
      }
    ]], "one\ntwo\n", "thr")
    assert.same({ "one nil", "two nil", "thr eof", "on_eof" }, told)
  end)

  it("is no message when it is longer than limits.message, nor of a peer that resets", function()
    local told, server = play([[
      return {
        frame = { delimiter = "||||" },
        limits = { message = 5 },
        on_message = function(conn, message, ending)
          print(("> %s %s"):format(message, ending))
          conn:send "k"
        end,
      }
    ]], "one||||two||||", "threeX")
    assert.same({ "one nil", "two nil" }, told)
    server:expect_log("closing the connection: what came before the peer's end is longer than a " ..
      "message may be %(limits.message is 5 bytes%)")
  end)
end)
