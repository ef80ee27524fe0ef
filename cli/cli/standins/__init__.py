"""Local stand-ins for the providers: they speak the real protocol, so that real client code runs."""
