# One image for every process of fairlead: `serve` (all in one), `api`, `worker`, `node`, or any other
# command of it. compose.yaml runs them together. By itself:
#
#   docker build --tag fairlead .
#   docker run --rm -e FAIRLEAD_API_TOKEN="$(openssl rand -hex 32)" \
#     -p 127.0.0.1:3000:3000 -v fairlead:/data fairlead

FROM python:3.13-slim AS build
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1 PIP_ROOT_USER_ACTION=ignore
WORKDIR /build
RUN python -m venv /opt/fairlead
# The lock by itself, so that this layer is made anew only when the lock changes. Wheels only: the
# image has no compiler, and no package's build script runs.
COPY requirements/run.txt requirements/
RUN /opt/fairlead/bin/pip install --require-hashes --only-binary :all: --requirement requirements/run.txt
COPY LICENSE README.md pyproject.toml ./
COPY src src
# What this needs is in the lock, so nothing is downloaded here.
RUN /opt/fairlead/bin/pip install --no-deps --no-build-isolation --no-index . \
 && /opt/fairlead/bin/pip uninstall --yes pip

FROM python:3.13-slim
# The number is fixed so that a volume's files keep their owner from one image to the next.
RUN useradd --uid 10001 --no-create-home --home-dir /data --shell /usr/sbin/nologin fairlead \
 && install --directory --owner fairlead --group fairlead --mode 0700 /data
COPY --from=build /opt/fairlead /opt/fairlead
# Inside a container loopback cannot be published, so it listens on all addresses, and for that it
# demands FAIRLEAD_API_TOKEN. Workers and nodes tell how they are at the port where the API does.
ENV PATH=/opt/fairlead/bin:$PATH \
    HOST=0.0.0.0 \
    PORT=3000 \
    FAIRLEAD_METRICS_PORT=3000 \
    FAIRLEAD_DATA_DIR=/data \
    FAIRLEAD_LOG_FORMAT=json
# By number: then it can be seen from outside that this is not root.
USER 10001
WORKDIR /data
EXPOSE 3000
# By http.client, which takes no proxy from the environment.
HEALTHCHECK --interval=5s --timeout=5s --start-period=30s --retries=3 \
  CMD ["python", "-I", "-c", "import http.client as h, os; c = h.HTTPConnection('127.0.0.1', int(os.environ['PORT']), timeout=4); c.request('GET', '/health'); raise SystemExit(c.getresponse().status != 200)"]
# A stopping process finishes what it has in hand: FAIRLEAD_SHUTDOWN_MS, and docker's own ten seconds
# are just as long. compose.yaml gives more.
ENTRYPOINT ["fairlead"]
CMD ["serve"]
