"""The schoolconnect command: local stack, stand-ins, demo school, operator verbs."""
