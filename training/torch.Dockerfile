# Builds with any tool that builds Dockerfiles, from the root of the repository:
#   docker build -f training/torch.Dockerfile -t recommender/torch .
# Python with torch and numpy: the layer that the images training and triton share.
#
# TORCH_VARIANT=cuda keeps what PyPI carries, 5 GB with NVIDIA's libraries. TORCH_VARIANT=cpu,
# the default, takes away what CPUs never run, which is most of it; torch_cpu.py says how.
# It runs no torch.compile, in either variant: that would need a C++ compiler.

ARG BASE_IMAGE=docker.io/library/debian:bookworm-slim
FROM ${BASE_IMAGE} AS python
RUN apt-get update \
    && apt-get install -y --no-install-recommends ca-certificates python3 \
    && apt-get clean \
    && rm -rf /var/lib/apt/lists/* /var/cache/debconf/*-old /var/log/apt /var/log/dpkg.log \
    && useradd --uid 65532 --user-group --no-create-home --home-dir /tmp recommender
ENV HOME=/tmp PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1

FROM python AS build
ARG SSL_CERT_FILE
ARG PIP_CERT
ARG PIP_INDEX_URL
ARG UV_DEFAULT_INDEX
# The wheels for x86_64 and aarch64.
RUN printf '%s\n' 'uv==0.13.9 \' \
        '--hash=sha256:d7f459fe4fd247d830351c75686d3996ace3c6f3f728eb0e85a30b7ada0cef19 \' \
        '--hash=sha256:5435c5ce14a56431208ca0996416d310f1598e8c2c8ba707688985a16bb82dbe' > /uv.txt \
    && apt-get update \
    && apt-get install -y --no-install-recommends python3-venv \
    && python3 -m venv /uv \
    && /uv/bin/pip install --no-cache-dir --require-hashes -r /uv.txt

FROM build AS lock
WORKDIR /build
COPY pyproject.toml uv.lock ./
RUN /uv/bin/uv export --frozen --no-dev --no-emit-project --extra training \
    --prune polars --prune deltalake --prune scikit-learn --prune scipy --prune threadpoolctl \
    --prune pydantic --prune optuna > /requirements.txt

FROM build AS packages
ARG SSL_CERT_FILE
ARG UV_DEFAULT_INDEX
ARG TORCH_VARIANT=cpu
RUN apt-get update && apt-get install -y --no-install-recommends binutils
COPY training/torch_cpu.py /
COPY --from=lock /requirements.txt /all.txt
# The three that stay are linked: CUDA's runtime, its profiler interface and its file access.
RUN if [ "$TORCH_VARIANT" = cpu ]; then \
        awk '/^[^ ]/ { skip = /^(nvidia-|cuda-|triton)/ && !/-(runtime|cupti|cufile)==/ } !skip' \
            /all.txt > /requirements.txt; \
    else \
        cp /all.txt /requirements.txt; \
    fi \
    && /uv/bin/uv pip install --target /packages --no-deps --require-hashes -r /requirements.txt \
    && if [ "$TORCH_VARIANT" = cpu ]; then python3 /torch_cpu.py /packages; fi \
    && rm -rf /packages/bin \
    && python3 -m compileall -q -j 0 -x /py312_ --invalidation-mode unchecked-hash /packages

FROM python
COPY --from=packages /packages /usr/local/lib/python3.11/dist-packages
USER 65532:65532
