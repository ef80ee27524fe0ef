"""Sign-in: accounts, passwords, sessions, Firebase, API keys."""
