"""Reading the event log: one reader for operators and for the timelines of tasks."""
