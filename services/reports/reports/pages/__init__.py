"""Pages and sheets: draws what a report says as PDF, Excel and CSV. Pure: the same inputs give the same bytes."""
