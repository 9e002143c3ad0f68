-- room.lua — scripts/wide_chat.lua behind HAProxy.
-- Shows: a service that another script changes before it is served.

package.path = "/scripts/?.lua;" .. package.path

local room = require "wide_chat"
room.proxy_protocol = { "10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16" } -- networks of containers
room.workers = "all" -- rooms span workers as they span machines: over the bus
return room
