-- conformance_handlers_spec.lua — moonport.test and a server: which handler is called when.

require "tests.conformance.agree" "handlers"
