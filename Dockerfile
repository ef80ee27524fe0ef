# One image per service: docker build --build-arg SERVICE=gateway -t schoolconnect-gateway .
# SERVICE=local has all of them and the `schoolconnect` command: migrations, topology, stand-ins.
FROM python:3.11-slim AS build
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
    /opt/venv/bin/pip install --no-cache-dir --disable-pip-version-check --no-deps --no-build-isolation ./shared $own

FROM python:3.11-slim
ARG SERVICE
RUN useradd --system --uid 10001 --create-home schoolconnect \
    && install -d -o schoolconnect /data /keys /certs
COPY --from=build /opt/venv /opt/venv
ENV PATH=/opt/venv/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 HOST=0.0.0.0 PORT=8000 SERVICE=${SERVICE}
USER schoolconnect
WORKDIR /data
EXPOSE 8000
# exec: the service itself gets the stop signal and drains.
CMD ["sh", "-c", "exec python -m $SERVICE"]
