---@meta moonport.task

-- task.lua — the module moonport.task, for editors — is never run.

---Functions that run beside each other, and what they hand each other.
---@class moonport.task
local task = {}

---Runs f(...) from the next turn of the loop on. When it raises, that is logged.
---@param f fun(...: any): ... may wait
---@param ... any
---@return moonport.Task
function task.spawn(f, ...) end

---A place where coroutines wait until somebody opens it. It is closed at first.
---@return moonport.Gate
function task.gate() end

---Values that one coroutine puts and another one gets, in their order.
---@param max? integer how many it holds; who puts more waits. 1000
---@return moonport.Queue
function task.queue(max) end

---@class moonport.Gate
local Gate = {}

---Waits until it is open.
---@param seconds? number how long; nil: as long as it takes
---@return true? passed
---@return "timeout"? code
function Gate:wait(seconds) end

---Lets pass all who wait, in their order, and all who come. Who waits goes on in the next turn of
---the loop, also when it is closed again at once.
---@return integer count how many waited
function Gate:open() end

---Who comes from now on waits.
function Gate:close() end

---It can be a to-be-closed variable; `#queue` is how many values are in it. Whoever waits is served
---in the order of the calls, and one that is cancelled loses no value.
---@class moonport.Queue
local Queue = {}

---Waits while it is full.
---@param value any but nil
---@param seconds? number how long; nil: as long as it takes
---@return true? put
---@return "closed"|"timeout"|nil code
function Queue:put(value, seconds) end

---The same without waiting.
---@param value any but nil
---@return true? put
---@return "closed"|"full"|nil code
function Queue:try_put(value) end

---Waits while it is empty. Once it is closed, gives what is left, then nil.
---@param seconds? number how long; nil: as long as it takes
---@return any value
---@return "closed"|"timeout"|nil code
function Queue:get(seconds) end

---For a loop that gets values until the queue is closed and empty: for value in queue:each() do
---@return fun(): any
function Queue:each() end

---Nothing can be put from now on, and who waits goes on.
function Queue:close() end

---@class moonport.Task
local Task = {}

---Waits for its end.
---@param seconds? number how long; nil: as long as it takes
---@return true? ended
---@return any code "error", "cancelled" or "timeout"; or the first of what f returned
---@return any ... the message of the error; or the rest of what f returned
function Task:join(seconds) end

---Ends it where it waits; its to-be-closed variables are closed.
---@return boolean cancelled whether it had not ended yet
function Task:cancel() end

---@return "ready"|"running"|"done"|"failed"|"cancelled"
function Task:status() end

return task
