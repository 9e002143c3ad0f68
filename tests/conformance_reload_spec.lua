-- conformance_reload_spec.lua — over memory and over sockets: what a version leaves to the next.

require "tests.conformance.agree" "reload"
