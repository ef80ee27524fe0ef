# One image per service: docker build --build-arg SERVICE=gateway -t schoolconnect-gateway .
# SERVICE=local has all of them and the `schoolconnect` command: migrations, topology, fakes of the providers.
# BASE is any image with Python 3.11 or newer as `python`; without an image registry, see deploy/images/build.
ARG BASE=python:3.11-slim
FROM ${BASE} AS build
ARG SERVICE
WORKDIR /src
RUN python -m venv /opt/venv
COPY requirements/${SERVICE}.txt requirements.txt
RUN /opt/venv/bin/pip install --no-cache-dir --disable-pip-version-check --require-hashes -r requirements.txt
COPY shared shared
COPY services services
COPY cli cli
RUN set -eu; \
    if [ "${SERVICE}" = local ]; then own="./services/* ./cli"; else own="./services/${SERVICE}"; fi; \
    /opt/venv/bin/pip install --no-cache-dir --disable-pip-version-check --no-deps --no-build-isolation ./shared $own; \
    /opt/venv/bin/pip uninstall --quiet --yes hatchling editables pip

FROM ${BASE}
ARG SERVICE
RUN useradd --system --uid 10001 --create-home schoolconnect \
    && install -d -o schoolconnect /data /keys /trust /certs /blobs
COPY --from=build /opt/venv /opt/venv
ENV PATH=/opt/venv/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 HOST=0.0.0.0 PORT=8000 SERVICE=${SERVICE}
USER schoolconnect
WORKDIR /data
EXPOSE 8000
# Live, not ready: an engine that restarts what is unhealthy shall not do so because the broker is away.
HEALTHCHECK --interval=10s --timeout=5s --start-period=60s \
    CMD ["python", "-c", "import os, urllib.request as u; u.urlopen(f'http://127.0.0.1:{os.environ[\"PORT\"]}/health/live', timeout=3)"]
# exec: the service itself gets the stop signal and drains.
CMD ["sh", "-c", "exec python -m $SERVICE"]
