-- .luacheckrc — which globals each kind of Lua file may name — not how code is laid out.
std = "lua54"
max_line_length = 100

-- Scripts and the library get what Lua 5.4 gives, and nothing else: modules are required.
files["tests/**/*_spec.lua"].std = "lua54+busted"

-- Definitions for editors declare functions without bodies.
files["lua/meta"].ignore = { "211", "212", "241" }

-- A script to finish has what its lesson is about, and does not use it yet.
files["lua/lessons/*/start.lua"].ignore = { "211", "212", "213", "241" }
