---@meta moonport.bus

-- bus.lua — the module moonport.bus, for editors — is never run.

---What one script says, all that subscribed hear: in this script, in others of the server, in its
---other workers, and with --bus on other machines. Nothing is kept for who is not there, or does
---not keep up: each message comes at most once.
---
---A topic is words with dots between them, "chat.room.tea", of at most 255 bytes. In a pattern "*"
---stands for one word, and ">" at the end for one or more: "chat.*.tea", "chat.>".
---@class moonport.bus
local bus = {}

---Sends `data` to all that subscribed to the topic, who hear it in a turn of their own; the
---publisher does, too, if it subscribed. Never waits. Raises where the topic is none, or the data
---is longer than 60 KiB.
---@param topic string one, without "*" and ">"
---@param data string
---@return true? sent
---@return "limit"? code a queue on its way is full, of a slow subscription or to a broker: dropped
---there
---@return string? detail
function bus.publish(topic, data) end

---Calls f(data, topic) with each message, one after the other, in the order in which its publisher
---sent them. While f waits its messages queue up, at most 10,000 of them or 4 MiB; what comes
---beyond that is dropped, counted, and told of in the log. A subscription ends with the version of
---the script that made it; the next version's begins where that comes into force. May be used while
---the script is being loaded.
---@param pattern string
---@param f fun(data: string, topic: string) may wait
---@return moonport.Subscription
function bus.subscribe(pattern, f) end

---How it stands, in this process.
---@return moonport.BusStatus
function bus.status() end

---@class moonport.BusStatus
---@field subscriptions integer that there are
---@field published integer messages of this process, so far
---@field received integer messages from elsewhere, so far; one that came for two patterns counts
---twice
---@field queued integer messages that wait for the broker
---@field dropped integer messages that were dropped on their way or for slow subscriptions, so far
---@field broker? string its address, without a password; nil: there is none
---@field connected? boolean
---@field since? integer when that began, in seconds since 1970

---A subscription. It can be a to-be-closed variable.
---@class moonport.Subscription
local Subscription = {}

---Ends it. What waits for its function is forgotten.
---@return boolean cancelled whether it was one still
function Subscription:cancel() end

return bus
