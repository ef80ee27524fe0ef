"""Steps of a deployment and tools for its operators."""
