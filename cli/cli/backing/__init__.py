"""RabbitMQ and PostgreSQL for the local stack: given by URL, installed, in containers, or from Debian's packages."""
