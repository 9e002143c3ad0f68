-- conformance_errors_spec.lua — moonport.test and a server: what raises, and who is told.

require "tests.conformance.agree" "errors"
