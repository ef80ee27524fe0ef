"""The schoolconnect command: the local stack, fakes of the providers, a demo school, tools for operators."""
