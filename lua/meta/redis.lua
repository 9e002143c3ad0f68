---@meta moonport.redis

-- redis.lua — the module moonport.redis, for editors — is never run.

---Commands for a Redis, or what speaks as one does (Valkey, KeyDB).
---@class moonport.redis
local redis = {}

---Makes a client. Nothing is connected before the first command, and again when the connection was
---lost; so this never waits, and works while a script loads. An unknown option raises.
---@param address string as socket.connect() takes it: "localhost:6379", "unix:///run/redis.sock"
---@param options? moonport.RedisOptions
---@return moonport.Redis
function redis.new(address, options) end

---The same, and waits until Redis has answered: for a program that is to end if it does not.
---@param address string
---@param options? moonport.RedisOptions
---@return moonport.Redis? client
---@return string? code
---@return string? detail
function redis.connect(address, options) end

---@class moonport.RedisOptions
---@field password? string told on each connection, by AUTH
---@field username? string of that password, where there are several; "default"
---@field database? integer chosen on each connection, by SELECT; 0
---@field timeout? number seconds for each call, with the connect if there is one; 5. 0: none
---@field waiting? integer calls that may wait at a time; 10000. More of them get nil, "limit"
---@field max_answer? integer bytes of one answer; 16 MiB. A longer one ends the connection
---@field tls? moonport.TlsOptions of an address with tls://

---A string, an integer, false (Redis has nothing there), a list of those, or within a list
---{ err = message }.
---@alias moonport.RedisAnswer string|integer|false|table

---All coroutines share its one connection: commands go out in the order of the calls, without
---waiting for each other's answers. It can be a to-be-closed variable.
---@class moonport.Redis
local Client = {}

---Sends one command and waits for its answer: client:call("SET", "moon", "full"). A command that
---waits in Redis itself (BLPOP) holds up all others: give it a client of its own. The codes are
---"error" (Redis refused, and the detail says why), "timeout", "closed" (the connection was lost,
---and whether the command was carried out is unknown), "limit", "malformed", or those of a connect.
---@param command string|number
---@param ... string|number
---@return moonport.RedisAnswer? answer
---@return string? code
---@return string? detail
function Client:call(command, ...) end

---Sends commands in one go: client:pipeline { { "INCR", "a" }, { "GET", "b" } }.
---@param list (string|number)[][]
---@return moonport.RedisAnswer[]? answers in order; of one that was refused { err = message }
---@return string? code as of call()
---@return string? detail
function Client:pipeline(list) end

---The same between MULTI and EXEC: nothing of another client comes between them.
---@param list (string|number)[][]
---@return moonport.RedisAnswer[]? answers
---@return string? code as of call(); with "error" none of them was carried out
---@return string? detail
function Client:transaction(list) end

---Subscribes to channels, on a connection of its own.
---@param ... string
---@return moonport.RedisSubscription? subscription
---@return string? code as of call()
---@return string? detail
function Client:subscribe(...) end

---The same by patterns: client:psubscribe("news.*").
---@param ... string
---@return moonport.RedisSubscription? subscription
---@return string? code
---@return string? detail
function Client:psubscribe(...) end

---Ends it at once: whoever waits gets nil, "closed", and so does every later call.
---@return true
function Client:close() end

---For one coroutine at a time. It can be a to-be-closed variable.
---@class moonport.RedisSubscription
local Subscription = {}

---Waits for the next message. When the connection was lost, and messages with it, that is told
---once, as nil, "closed"; the next call subscribes again.
---@param seconds? number how long; nil: as long as it takes
---@return string? message
---@return string? channel or the code: "timeout", "closed", or as of call()
---@return string? pattern of psubscribe(); or the detail
function Subscription:get(seconds) end

---For a loop: for message, channel in subscription:each() do. It ends when get() would return nil.
---@return fun(): string?, string?, string?
function Subscription:each() end

---Subscribes to further channels, or patterns.
---@param ... string
---@return true? ok
---@return string? code "closed": by close()
function Subscription:add(...) end

---@param ... string
---@return true? ok
---@return string? code "closed": by close()
function Subscription:remove(...) end

---@return true
function Subscription:close() end

return redis
