---@meta moonport.metrics

-- metrics.lua — the module moonport.metrics, for editors — is never run.

---What a script counts for its operators, who read it with `--metrics` or `moonport metrics`. It
---belongs to the script: a version that declares a metric again goes on with it.
---@class moonport.metrics
local metrics = {}

---What only rises.
---@param name string letters, digits and _; ends in _total
---@param help string what it counts, in a sentence
---@param labels? string[] their names
---@return moonport.Counter
function metrics.counter(name, help, labels) end

---What rises and falls.
---@param name string
---@param help string
---@param labels? string[]
---@return moonport.Gauge
function metrics.gauge(name, help, labels) end

---How values are spread.
---@param name string
---@param help string
---@param labels? string[]
---@param bounds? number[] of its buckets, rising; without them 0.005 to 10, for seconds
---@return moonport.Histogram
function metrics.histogram(name, help, labels, bounds) end

---@class moonport.Counter
local counter = {}

---@param n? number how much is added, not below 0; nil: 1
---@param ... string|number|boolean the labels' values, in the order of their names
function counter:inc(n, ...) end

---@param ... string|number|boolean labels
---@return number value 0 when these labels were never counted
function counter:get(...) end

---@class moonport.Gauge
local gauge = {}

---@param n number
---@param ... string|number|boolean labels
function gauge:set(n, ...) end

---@param n? number nil: 1
---@param ... string|number|boolean labels
function gauge:inc(n, ...) end

---@param n? number nil: 1
---@param ... string|number|boolean labels
function gauge:dec(n, ...) end

---@param ... string|number|boolean labels
---@return number value
function gauge:get(...) end

---@class moonport.Histogram
local histogram = {}

---@param n number
---@param ... string|number|boolean labels
function histogram:observe(n, ...) end

---@param ... string|number|boolean labels
---@return integer count
---@return number sum
function histogram:get(...) end

return metrics
