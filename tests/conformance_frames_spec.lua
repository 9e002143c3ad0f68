-- conformance_frames_spec.lua — moonport.test and a server: bytes as messages.

require "tests.conformance.agree" "frames"
