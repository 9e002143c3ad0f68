-- conformance_network_spec.lua — moonport.test and a server: queues, connections out, datagrams.

require "tests.conformance.agree" "network"
