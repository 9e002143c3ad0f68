-- conformance_frames_spec.lua — over memory and over sockets: bytes as messages.

require "tests.conformance.agree" "frames"
