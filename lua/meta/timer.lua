---@meta moonport.timer

-- timer.lua — the module moonport.timer, for editors — is never run.

---Times are in seconds, and kept to the millisecond, which is also the shortest.
---@class moonport.timer
local timer = {}

---Calls f() once. May be used while the script is being loaded.
---@param seconds number
---@param f fun() may wait
---@return moonport.Timer
function timer.after(seconds, f) end

---Calls f() again and again, but not while it still waits.
---@param seconds number
---@param f fun() may wait
---@return moonport.Timer
function timer.every(seconds, f) end

---Waits.
---@param seconds number
function timer.sleep(seconds) end

---A clock that only goes forward; its zero has no meaning.
---@return number seconds
function timer.now() end

---The clock on the wall, which may be set: os.time() with fractions.
---@return number seconds since 1970
function timer.time() end

---A timer that was set. It can be a to-be-closed variable.
---@class moonport.Timer
local set_timer = {}

---@return boolean cancelled whether it would still have fired
function set_timer:cancel() end

return timer
