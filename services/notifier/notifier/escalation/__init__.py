"""Cases that stay open until one of their people reads."""
