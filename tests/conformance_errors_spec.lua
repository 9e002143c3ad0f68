-- conformance_errors_spec.lua — over memory and over sockets: what raises, and who is told.

require "tests.conformance.agree" "errors"
