-- calls_spec.lua — each system call on sockets fails in turn, or does one byte: what arrives is
-- right to the byte, or there is one clear end, and the next client is served.
--
-- Rows 32 (short reads and writes, EINTR, EAGAIN) and 34 (accept, and the kernel without memory)
-- of the faults to be survived. MOONPORT_TORTURE=long fails more of each.

local plan = require "tests.torture.plan"
local rig = require "tests.support.rig"
local services = require "tests.torture.services"
local uv = require "luv"

local is_long = os.getenv("MOONPORT_TORTURE") == "long"

-- Linux's numbers, which are those of asm-generic/errno on every machine that we build for.
local errnos = {
  EINTR = 4, EAGAIN = 11, ENOMEM = 12, EMFILE = 24, EPIPE = 32, ECONNABORTED = 103,
  ECONNRESET = 104, ENOBUFS = 105, EINVAL = 22, ENOTCONN = 107, ETIMEDOUT = 110,
}

-- What may be said by whom. What resumes by itself must lose nothing: "whole".
-- Not getsockopt: libuv does not look at what it returns when it asks for the outcome of connect().
-- Not shutdown: it fails when the peer has reset, and then reading tells; alone it does not happen.
-- What becomes of a connection that is not read is in close_spec.
local faults = {
  { "read", "EINTR", "whole" }, { "read", "EAGAIN", "whole" }, { "read", "ECONNRESET" },
  { "read", "ENOMEM" }, { "read", "ETIMEDOUT" },
  { "recv", "EINTR", "whole" }, { "recv", "EAGAIN", "whole" }, { "recv", "ECONNRESET" },
  { "recvmsg", "EINTR", "whole" }, { "recvmsg", "EAGAIN", "whole" }, { "recvmsg", "ECONNRESET" },
  { "recvmsg", "ENOMEM" },
  { "write", "EINTR", "whole" }, { "write", "EAGAIN", "whole" }, { "write", "EPIPE" },
  { "write", "ENOBUFS" }, { "write", "ECONNRESET" },
  { "writev", "EINTR", "whole" }, { "writev", "EAGAIN", "whole" }, { "writev", "EPIPE" },
  { "writev", "ENOBUFS" }, { "writev", "ECONNRESET" }, { "writev", "ENOMEM" },
  { "send", "EINTR", "whole" }, { "send", "EAGAIN", "whole" }, { "send", "EPIPE" },
  { "send", "ENOBUFS" }, { "send", "ECONNRESET" }, { "send", "ENOMEM" },
  { "sendmsg", "EINTR", "whole" }, { "sendmsg", "EAGAIN" }, { "sendmsg", "ENOBUFS" },
  { "splice", "EINTR", "whole" }, { "splice", "EAGAIN", "whole" }, { "splice", "ECONNRESET" },
  { "pipe2", "EMFILE", "whole" },
  { "accept4", "EINTR", "whole" }, { "accept4", "EAGAIN", "whole" },
  { "accept4", "ECONNABORTED", "whole" }, { "accept4", "EMFILE", "whole" },
  { "accept4", "ENOBUFS", "whole" }, { "accept4", "ENOMEM", "whole" },
  { "socket", "EMFILE" }, { "socket", "ENOBUFS" }, { "bind", "EINVAL" }, { "listen", "EINVAL" },
  { "connect", "EINTR" }, { "connect", "ENOMEM" }, { "connect", "ETIMEDOUT" },
  { "getsockname", "ENOBUFS" }, { "getpeername", "ENOTCONN" },
  { "setsockopt", "EINVAL" }, { "setsockopt", "ENOMEM" },
}

-- What a fault is tried on: between them they read, write, accept, connect and send datagrams.
local tried = is_long and { "large", "echo", "forward", "frames", "connect", "sockets", "pool",
  "datagrams", "fields", "conns", "udp" } or { "echo", "forward", "sockets", "datagrams" }

-- The errno of what failed, in the script's line that was told of it or in our own words.
local told = {
  "^[^ ]+a_main%.lua:%d+: E%u+$", "^[^ ]+a_main%.lua:%d+: reset$", "^[^ ]+a_main%.lua:%d+: closed$",
  "^[^ ]+a_main%.lua:%d+: attempt to index a nil value", -- getsockname() that failed
  "^cannot accept %(", "^not enough memory for what the connection has to send or keep: it ends$",
}

describe("a system call on a socket", function()
  local moonport = rig.new()

  local function begin(transport)
    local folder = moonport:directory()
    local fail = plan.new(folder:join("plan"))
    return services.start(moonport, fail, folder, told, transport), fail
  end

  -- By libuv: where edges are told, a short read says that nothing is left (epoll(7)), and a lie
  -- cannot be told from it.
  it("that does one byte at a time delivers every byte, both ways", function()
    local server, fail = begin("uv")
    for _, name in ipairs(tried) do
      local visit = services.visit_named(name)
      fail:fail("calls", 1, is_long and true or 20000)
      local began = uv.now()
      local heard, answer = visit(server)
      local _, shortened = fail:relent("calls")
      if name ~= "udp" and name ~= "datagrams" then
        services.check(name, heard, answer, true)
        assert(shortened > 0, name .. ": no call was shortened")
      end
      if is_long then
        print(("%s: %d calls did one byte, %d ms"):format(name, shortened, uv.now() - began))
      end
    end
  end)

  for _, fault in ipairs(faults) do
    local call, errno, whole = table.unpack(fault)
    it(("%s that fails with %s leaves %s, and the next client is served")
      :format(call, errno, whole and "every byte" or "all bytes or one end"), function()
      local server, fail = begin()
      local count = 0
      for _, name in ipairs(tried) do
        local visit = services.visit_named(name)
        local number = 1
        while number <= (is_long and 40 or 1) do
          fail:fail("calls", number, number, call, errnos[errno])
          local heard, answer = visit(server)
          local _, failed = fail:relent("calls")
          services.check(("%s, %s %d"):format(name, call, number), heard, answer,
            failed == 0 or (whole and name ~= "udp"))
          services.check_sockets(("%s, %s %d"):format(name, call, number), server)
          if failed == 0 then break end
          count = count + failed
          number = number + 1
        end
        services.check(name, visit(server))
      end
      if is_long then print(("%s %s: %d calls failed"):format(call, errno, count)) end
    end)
  end
end)
