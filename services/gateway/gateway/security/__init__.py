"""Who may do what: admission, access control, rate limits, audit."""
