"""Why a person did or did not get a notification, and who was reached."""
