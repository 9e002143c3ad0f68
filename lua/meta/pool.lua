---@meta moonport.pool

-- pool.lua — the module moonport.pool, for editors — is never run.

---Connections to one address, lent to one caller after the other.
---@class moonport.pool
local pool = {}

---Makes a pool. Nothing is connected before the first get(). An unknown option raises.
---@param address string as socket.connect() takes it: "localhost:6379", "unix:///run/redis.sock"
---@param port? integer then the address is a host, "localhost"
---@param options? moonport.PoolOptions
---@return moonport.Pool
---@overload fun(address: string, options?: moonport.PoolOptions): moonport.Pool
function pool.new(address, port, options) end

---@class moonport.PoolOptions
---@field size? integer connections at most; 8
---@field timeout? number seconds for each get(), with its connect, and each read; 5. 0: none
---@field idle? number seconds after which an unused connection is closed; 60. 0: never
---@field tls? moonport.TlsOptions|boolean of an address with tls://, or (also true) of a host and
---a port;
--- a session is resumed within the pool
---@field waiting? integer callers that may wait for a turn; 1000. More of them get nil, "limit"

---It can be a to-be-closed variable.
---@class moonport.Pool
local Pool = {}

---Calls f with a connection and returns what it returns. When f raises, or returns nil (as all
---that fails does: nil, code), the connection is closed; otherwise the next caller gets it.
---@generic T
---@param f fun(conn: moonport.Conn, ...: any): T?, ...: any
---@param ... any further arguments for f
---@return T? result
---@return any ... the rest of what f returned, or the code and detail of get()
function Pool:with(f, ...) end

---Takes a connection, which put() gives back. Waits while all are taken.
---@param seconds? number how long, with the connect; nil: as the pool's timeout says
---@return moonport.Conn? conn
---@return string? code "timeout", "limit" (too many wait), "closed", or that of the connect
---@return string? detail
function Pool:get(seconds) end

---Gives back a connection from get(). One that is not fit for another user (an answer is still to
---come, or a failure left it in the middle of something) is to be closed before.
---@param conn moonport.Conn
function Pool:put(conn) end

---Closes what is idle at once, and what is taken when it is put back. Who waits gets nil, "closed".
function Pool:close() end

return pool
