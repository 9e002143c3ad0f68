---@meta moonport.address

-- address.lua — the module moonport.address, for editors — is never run.

---Addresses as values. Nothing here asks or opens anything; what cannot be is nil, "EINVAL",
---detail.
---@class moonport.address
local address = {}

---@class moonport.AddressParts
---@field scheme "tcp"|"udp"|"tls"|"unix"|nil nil: the text names none
---@field host string? "example.org", "127.0.0.1", "::1", "fe80::1%eth0"; nil: the text names none
---@field port integer? nil of a Unix socket
---@field path string? of a Unix socket; nil of a peer that has none, "unix:"

---Takes an address apart: what listen and connect take, conn.peer, conn.sock, conn.listener.
---@param text string
---@return moonport.AddressParts? parts
---@return "EINVAL"|nil code
---@return string? detail
function address.parse(text) end

---Puts one together: of a host and a port, or of what parse() gave. A host is a name or a number,
---with
---brackets or without, and nothing else: what has a scheme, a path, a port or a NUL in it is
---refused.
---@param host string|moonport.AddressParts
---@param port? integer 0 to 65535
---@return string? text "example.org:80", "[::1]:80"; with a scheme "tcp://[::1]:80"
---@return "EINVAL"|nil code
---@return string? detail
function address.format(host, port) end

---@param ip string "127.0.0.1", "::1"
---@return string? bytes 4 or 16, as they travel
---@return "EINVAL"|nil code it is a name, say
---@return string? detail
function address.pack(ip) end

---@param bytes string 4 or 16
---@return string? ip
---@return "EINVAL"|nil code
---@return string? detail
function address.unpack(bytes) end

---Whether an address is in a network, or in one of several. IPv4 inside of IPv6 is IPv4. Raises
---when
---what stands for a network is none.
---@param ip string as conn.peer_ip has it
---@param network string|string[] "10.0.0.0/8", "fd00::/8", "127.0.0.1"
---@return boolean? is_in
---@return "EINVAL"|nil code the address is none in numbers
---@return string? detail
function address.in_network(ip, network) end

return address
