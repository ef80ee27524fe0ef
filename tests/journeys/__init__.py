"""Journeys across services. A package, so that its system ends with the last of them: idle, it takes a core's tenth."""
