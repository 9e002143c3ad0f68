---@meta moonport.shared

-- shared.lua — the module moonport.shared, for editors — is never run.

---What all workers of a server share, and with a path what outlives it: docs/shared.md.
---@class moonport.shared
local shared = {}

---Opens a store, or gives the one that is open by that name: it stays open until the server ends.
---Unknown options, and options other than those it is open with, raise.
---@param name string 1 to 64 letters, digits, "_", "-" and "."; begins with a letter, digit or "_"
---@param options? moonport.SharedOptions
---@return moonport.Store? store
---@return string? code "ENOSPC", "EACCES" (not granted) and the like; "damaged"; "busy"
---@return string? detail
function shared.open(name, options) end

---@class moonport.SharedOptions
---@field size? integer|string bytes of the file, "1M" to "64G"; "16M". It has them from the start
---@field path? string its file, which the next start finds again; nil: it ends with the server
---@field evict? boolean when it is nearly full, what was set first goes; false: nil, "full"

---Keys are strings of 1 to 500 bytes. Whatever writes may give nil, "full" (nothing is written), or
---nil, "busy", detail: another process has had the lock for too long.
---@class moonport.Store
local Store = {}

---@alias moonport.StoreValue string|number|boolean

---@param key string
---@return moonport.StoreValue? value nil: there is none
---@return string? code
---@return string? detail
function Store:get(key) end

---@param key string
---@param value moonport.StoreValue
---@param ttl? number seconds, after which it is gone; nil: it stays
---@return true? done
---@return string? code
---@return string? detail
function Store:set(key, value, ttl) end

---Sets what is not there.
---@param key string
---@param value moonport.StoreValue
---@param ttl? number seconds
---@return true? done
---@return string? code "exists", or as of set()
---@return string? detail
function Store:add(key, value, ttl) end

---Sets what is there.
---@param key string
---@param value moonport.StoreValue
---@param ttl? number seconds
---@return true? done
---@return string? code "missing", or as of set()
---@return string? detail
function Store:replace(key, value, ttl) end

---Adds to a number, which keeps its time to live. Integers stay integers.
---@param key string
---@param by? number 1
---@param first? number what to begin with where there is none; 0
---@param ttl? number seconds, of one that begins
---@return number? sum
---@return string? code "type" (it is no number), "overflow", or as of set()
---@return string? detail
function Store:incr(key, by, first, ttl) end

---Sets `new` if the value is `old`; the time to live stays. nil stands for "none", on both sides.
---@param key string
---@param old moonport.StoreValue?
---@param new moonport.StoreValue?
---@return true? done
---@return string? code "changed" (it is another one), or as of set()
---@return string? detail
function Store:cas(key, old, new) end

---@param key string
---@return boolean? was_there
---@return string? code
---@return string? detail
function Store:delete(key) end

---@param key string
---@return number? seconds that are left; math.huge: it stays; nil: there is none
---@return string? code
---@return string? detail
function Store:ttl(key) end

---Keys in the order of their bytes.
---@param prefix? string they begin with it; ""
---@param max? integer 1000; at most 1000000
---@return string[]? keys
---@return boolean|string more whether there are more, or the code
---@return string? detail
function Store:keys(prefix, max) end

---Calls f, which must not wait, with the lock held: all that it writes comes into force together,
---or, when it raises, nothing of it.
---@generic T
---@param f fun(): T?, ...: any
---@return T|true|nil result what f returned, or true
---@return any ... the rest of it; or the code and detail, as of set()
function Store:transaction(f) end

return shared
