-- conformance_handlers_spec.lua — over memory and over sockets: which handler is called when.

require "tests.conformance.agree" "handlers"
