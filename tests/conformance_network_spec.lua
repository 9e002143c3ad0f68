-- conformance_network_spec.lua — over memory and over sockets: queues, connections out, datagrams.

require "tests.conformance.agree" "network"
