-- conformance_waiting_spec.lua — moonport.test and a server: handlers that wait.

require "tests.conformance.agree" "waiting"
