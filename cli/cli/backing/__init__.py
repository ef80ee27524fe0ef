"""RabbitMQ and PostgreSQL for a stack: given by the environment, private nodes, or installed first."""
