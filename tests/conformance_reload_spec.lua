-- conformance_reload_spec.lua — moonport.test and a server: what a version leaves to the next.

require "tests.conformance.agree" "reload"
