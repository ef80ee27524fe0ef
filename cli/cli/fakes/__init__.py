"""Local fakes of the providers: they speak the real protocols, so that the real client code runs."""
