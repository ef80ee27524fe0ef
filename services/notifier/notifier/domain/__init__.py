"""Pure rules: states of a delivery, the circuit breaker, reasons in words."""
