-- Lesson 5: send a client the numbers from 1 to 8000, a line each, with 800 blanks behind it, then
-- close.
--
-- That is 6.4 MB. This script hands all of it over at once, as if the network had room for it.

local COUNT = 8000

local PADDING = (" "):rep(800)

return {
  listen = 12345,
  main = function(conn)
    for number = 1, COUNT do
      conn:send(number .. PADDING .. "\n")
    end
  end,
}
