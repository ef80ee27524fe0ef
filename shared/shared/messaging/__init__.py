"""RabbitMQ: topology, publishing, subscribing, serialization. What any module of it reads, it reads tolerantly."""

from shared.messaging import tolerant_decoding

tolerant_decoding.install()
