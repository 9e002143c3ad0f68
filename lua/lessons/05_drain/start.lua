-- Lesson 5: send a client the numbers from 1 to 3000, a line each, with 800 blanks behind it, then
-- close.
--
-- That is 2.4 MB. This script hands all of it over at once, as if the network had room for it.

local COUNT = 3000

local PADDING = (" "):rep(800)

return {
  listen = 12345,
  main = function(conn)
    conn:setoption("sndbuf", 65536) -- the kernel keeps less, so that you see it sooner
    for number = 1, COUNT do
      conn:send(number .. PADDING .. "\n")
    end
  end,
}
