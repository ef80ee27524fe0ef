"""RabbitMQ: topology, publishing, subscribing, serialization."""
