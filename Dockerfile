# The rehearsal server and the client on a machine without a GPU.
#   docker build --tag facematch --build-arg TORCH_INDEX=ADDRESS .
#   docker run --rm --volume "$PWD:/work" facematch sample
#   docker run --rm --volume "$PWD:/work" --publish 8000:8000 facematch serve --host 0.0.0.0
#   docker run --rm --volume "$PWD:/work" facematch request --set server.url=http://HOST:PORT/results/ --set server.group=NAME
FROM python:3.12-slim-bookworm AS build
WORKDIR /source
COPY . .
RUN pip wheel --no-cache-dir --no-deps --wheel-dir /wheels .

FROM python:3.12-slim-bookworm
# Where PyTorch's builds for the processor alone are, for both of one kind; without it CUDA's libraries come along.
ARG TORCH_INDEX=
COPY requirements.txt /tmp/requirements.txt
COPY --from=build /wheels /wheels
# Ranges, for the same reason.
# hadolint ignore=DL3013
RUN pip install --no-cache-dir ${TORCH_INDEX:+--index-url "$TORCH_INDEX"} "torch>=2.4" "torchvision>=0.19" \
    && pip install --no-cache-dir --requirement /tmp/requirements.txt \
    && pip install --no-cache-dir --no-deps /wheels/*.whl \
    && rm -r /wheels /tmp/requirements.txt \
    && useradd --create-home --uid 10001 facematch \
    && mkdir /work \
    && chown facematch /work
USER 10001
WORKDIR /work
EXPOSE 8000
ENTRYPOINT ["facematch"]
CMD ["--help"]
