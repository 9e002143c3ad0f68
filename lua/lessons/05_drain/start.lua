-- Lesson 5: send a client the lines "1" to "100000", each filled up to 64 bytes, then close.
--
-- That is 6.4 MB. This script hands it over all at once, as if the network had room for it.

local COUNT = 100000

local function line(number) return ("%-63d\n"):format(number) end

return {
  listen = 12345,
  main = function(conn)
    for number = 1, COUNT do
      conn:send(line(number))
    end
  end,
}
