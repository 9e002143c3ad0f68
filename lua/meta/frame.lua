---@meta moonport.frame

-- frame.lua — the module moonport.frame, for editors — is never run.

---How messages travel:
---"line": LF behind each, CRLF is taken too; "netstring": 5:hello,
---@alias moonport.Format
---| "line"
---| "netstring"
---| moonport.LineFormat
---| moonport.DelimiterFormat
---| moonport.LengthFormat
---| moonport.FixedFormat
---| moonport.Frame

---@class moonport.DelimiterFormat
---@field delimiter string 1 to 64 bytes behind each message

---@class moonport.LengthFormat
---@field length moonport.Length what stands before each message
---@field offset? integer bytes that stand before the length, up to 28; 0
---@field includes_header? boolean|integer whether (or how many) bytes before the message it counts
---@field adjust? integer bytes behind the length that it does not count, up to 255; 0. The message
---begins with them

---In binary; as varint (LEB128: Protocol Buffers, MQTT); in hexadecimal digits.
---@alias moonport.Length
---| "u8"
---| "u16be"
---| "u16le"
---| "u24be"
---| "u24le"
---| "u32be"
---| "u32le"
---| "u64be"
---| "u64le"
---| "varint"
---| "hex4"
---| "hex8"

---@class moonport.LineFormat
---@field line "lf"|"crlf" what is sent behind each message; both are taken

---@class moonport.FixedFormat
---@field fixed integer bytes that each message has

---Messages apart from connections.
---@class moonport.frame
local frame = {}

---Reads a format once, for use wherever a format can be given. Raises when it is none.
---@param format moonport.Format
---@return moonport.Frame
function frame.new(format) end

---@class moonport.Frame
local Frame = {}

---Raises when the frame cannot carry the message.
---@param message string
---@param prefix? string the bytes before the length, where the frame has an offset
---@return string bytes what travels
function Frame:wrap(message, prefix) end

---@param bytes string
---@return string[]? messages
---@return string rest the beginning of the next message; or the code: "limit", "malformed"
---@return string? detail
function Frame:split(bytes) end

return frame
