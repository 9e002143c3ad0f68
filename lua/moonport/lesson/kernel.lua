-- moonport.lesson.kernel — the TCP sockets that the kernel has, of whomever — knows no script.

local process = require "moonport.process"

local M = {}

local STATES = { "ESTABLISHED", "SYN_SENT", "SYN_RECV", "FIN_WAIT1", "FIN_WAIT2", "TIME_WAIT",
  "CLOSE", "CLOSE_WAIT", "LAST_ACK", "LISTEN", "CLOSING", [12] = "NEW_SYN_RECV" }

-- "0100007F:3039" -> "127.0.0.1:12345". Each four bytes are in the processor's order.
local function address_of(hex)
  local ip, port = hex:match("^(%x+):(%x+)$")
  local bytes = {}
  for word in ip:gmatch("%x%x%x%x%x%x%x%x") do
    for _, byte in ipairs { string.pack("=I4", tonumber(word, 16)):byte(1, 4) } do
      bytes[#bytes + 1] = byte
    end
  end
  if #bytes == 4 then return table.concat(bytes, ".") .. ":" .. tonumber(port, 16) end
  local mapped = table.concat(bytes, ".", 1, 12) == "0.0.0.0.0.0.0.0.0.0.255.255"
  if mapped then return table.concat(bytes, ".", 13) .. ":" .. tonumber(port, 16) end
  local groups = {}
  for at = 1, 16, 2 do groups[#groups + 1] = ("%x"):format(bytes[at] << 8 | bytes[at + 1]) end
  return ("[%s]:%d"):format(table.concat(groups, ":"), tonumber(port, 16))
end

---@class moonport.lesson.KernelSocket
---@field address string "127.0.0.1:12345"
---@field peer string
---@field state string as ss(8) and RFC 9293 name it: "LISTEN", "TIME_WAIT", "CLOSE_WAIT", …
---@field to_send integer bytes that the peer has not acknowledged
---@field to_read integer bytes that nobody has read; of a listening socket, connections that wait
---@field inode string

---The TCP sockets that the kernel has: /proc/net/tcp.
---@return moonport.lesson.KernelSocket[]
function M.sockets()
  local list = {}
  for _, path in ipairs { "/proc/net/tcp", "/proc/net/tcp6" } do
    local opened <close> = io.open(path)
    for line in opened and opened:lines() or function() end do
      local here, there, state, to_send, to_read, inode = line:match(
        "^%s*%d+: (%S+) (%S+) (%x%x) (%x+):(%x+) %S+ %S+ +%d+ +%d+ (%d+)")
      if here then
        list[#list + 1] = { address = address_of(here), peer = address_of(there),
          state = STATES[tonumber(state, 16)], to_send = tonumber(to_send, 16),
          to_read = tonumber(to_read, 16), inode = inode }
      end
    end
  end
  return list
end

---The addresses at which a process listens.
---@param pid integer
---@return string[]
function M.listening(pid)
  local listed = process.run { "ls", "-l", ("/proc/%d/fd"):format(pid), timeout = 2 }
  local is_its, addresses = {}, {}
  for inode in (listed and listed.stdout or ""):gmatch("socket:%[(%d+)%]") do
    is_its[inode] = true
  end
  for _, found in ipairs(M.sockets()) do
    if found.state == "LISTEN" and is_its[found.inode] then
      addresses[#addresses + 1] = found.address
    end
  end
  return addresses
end

return M
