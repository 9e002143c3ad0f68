-- conformance_waiting_spec.lua — over memory and over sockets: handlers that wait.

require "tests.conformance.agree" "waiting"
