"""RabbitMQ and PostgreSQL for the local stack: given, installed, from a container engine, or from Debian's packages."""
