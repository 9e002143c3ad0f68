---@meta moonport.codec

-- codec.lua — the module moonport.codec, for editors — is never run.

---Bytes as text and back, digests, checksums, random bytes. Decoders take exactly what encoders
---give; for anything else they return nil, and what is wrong at which byte.
---@class moonport.codec
---@field base64 moonport.codec.Text RFC 4648, section 4: with padding
---@field base64url moonport.codec.Text section 5: no padding; decode() takes it with padding, too
---@field hex moonport.codec.Text in lower case; decode() takes both
---@field url moonport.codec.Text percent-encoding: all but letters, digits and "-._~" is escaped
---@field query moonport.codec.Query what stands behind the "?" of an address, or in a form
local codec = {}

---@class moonport.codec.Text
local text_codec = {}

---@param bytes string
---@return string text
function text_codec.encode(bytes) end

---@param text string
---@return string? bytes
---@return string? fault
function text_codec.decode(text) end

---@class moonport.codec.Query
local query = {}

---"+" and "%20" are blanks; a name without "=" has the value "". The last one of a name wins.
---@param text string
---@return table<string, string>? parameters
---@return string? fault
function query.decode(text) end

---All of them, in their order.
---@param text string
---@return { [1]: string, [2]: string }[]? pairs of a name and a value
---@return string? fault
function query.list(text) end

---A table of names, of which a value may be a list, is written in the order of the names; a list of
---pairs, as list() returns it, in its own.
---@param parameters table
---@return string text
function query.encode(parameters) end

---@param bytes string
---@return string digest 20 bytes; codec.hex.encode() makes text of it
function codec.sha1(bytes) end

---@param bytes string
---@return string digest 32 bytes
function codec.sha256(bytes) end

---@param bytes string
---@return string digest 64 bytes
function codec.sha512(bytes) end

---What only those can make who know the key: RFC 2104.
---@param digest "sha1"|"sha256"|"sha512"
---@param key string
---@param bytes string
---@return string bytes
function codec.hmac(digest, key, bytes) end

---A checksum against accidents, that of gzip and PNG.
---@param bytes string
---@param before? integer the result for what stands before them
---@return integer checksum 32 bits
function codec.crc32(bytes, before) end

---Bytes that nobody can guess: for keys, tokens and names of sessions.
---@param count integer at most 1 MiB
---@return string bytes
function codec.random(count) end

---Compares secrets: how long it takes tells nothing of where they differ.
---@param one string
---@param other string
---@return boolean
function codec.equal(one, other) end

---Each byte with one of the key, which is repeated.
---@param bytes string
---@param key string not empty
---@return string bytes
function codec.xor(bytes, key) end

return codec
