# One image per service: docker build --build-arg SERVICE=gateway -t schoolconnect-gateway .
# SERVICE=local has all of them and the `schoolconnect` command: migrations, topology, fakes of the providers.
# BASE is any image with Python 3.11 or newer as `python`, BUILD_BASE one that has its venv module, too.
# It needs no writable root: /tmp (a tmpfs), and /blobs for a store of files in a folder.
ARG BASE=python:3.11-slim
ARG BUILD_BASE=${BASE}
FROM ${BUILD_BASE} AS build
ARG SERVICE
# EXTRA=tracing adds what exports traces.
ARG EXTRA=${SERVICE}
WORKDIR /src
RUN python -m venv /opt/venv
COPY requirements/${SERVICE}.txt requirements/${EXTRA}.txt requirements/
RUN /opt/venv/bin/pip install --no-cache-dir --disable-pip-version-check --require-hashes \
        -r requirements/${SERVICE}.txt -r requirements/${EXTRA}.txt
COPY shared shared
COPY services services
COPY cli cli
RUN set -eu; \
    if [ "${SERVICE}" = local ]; then own="./services/* ./cli"; else own="./services/${SERVICE}"; fi; \
    /opt/venv/bin/pip install --no-cache-dir --disable-pip-version-check --no-deps --no-build-isolation ./shared $own; \
    /opt/venv/bin/pip uninstall --quiet --yes hatchling editables pip setuptools; \
    # Mount points for volumes, which get their owner from here.
    mkdir -p /mounts/data /mounts/blobs; \
    if [ "${SERVICE}" = local ]; then \
        for each in postgres rabbitmq migrate gateway notifier files reports scheduler grafana fakes; do \
            mkdir -p /mounts/secrets/$each; \
        done; \
        mkdir /mounts/keys; \
    fi; \
    chown -R 10001:10001 /mounts

FROM ${BASE}
ARG SERVICE
ARG VERSION=unreleased
LABEL org.opencontainers.image.title="SchoolConnect ${SERVICE}" \
      org.opencontainers.image.description="A service of SchoolConnect, an event-driven engine for groups of schools" \
      org.opencontainers.image.licenses=MIT \
      org.opencontainers.image.version=${VERSION}
COPY --from=build /opt/venv /opt/venv
COPY --from=build /mounts /
ENV PATH=/opt/venv/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 \
    HOST=0.0.0.0 PORT=8000 HOME=/tmp TMPDIR=/tmp SERVICE=${SERVICE}
# By number, so that a cluster can check that it is not root; no such user needs to exist.
USER 10001:10001
WORKDIR /data
EXPOSE 8000
# Live, not ready: an engine that restarts what is unhealthy shall not do so because the broker is away.
HEALTHCHECK --interval=10s --timeout=10s --start-period=60s \
    CMD ["python", "-IS", "-c", "import os, socket; s = socket.create_connection(('127.0.0.1', int(os.environ['PORT'])), 5); s.sendall(b'GET /health/live HTTP/1.0\\r\\n\\r\\n'); assert b' 200 ' in s.recv(64)"]
# exec: the service itself gets the stop signal and drains.
CMD ["sh", "-c", "exec python -m $SERVICE"]
