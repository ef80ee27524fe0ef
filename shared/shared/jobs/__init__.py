"""Long-running work: jobs, leases, time limits, child processes, task status."""
