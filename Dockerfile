# The demo with the packages of requirements.lock and torch for the CPU; docs/decisions.md has the commands.
FROM python:3.11-slim-bookworm
RUN apt-get update \
    && apt-get install --yes --no-install-recommends git make \
    && rm -rf /var/lib/apt/lists/*
WORKDIR /opt/pointrend
COPY . .
# TORCH= gives the build for CUDA, with hashes.
ARG TORCH=cpu
RUN make install TORCH="$TORCH" && rm -rf /root/.cache
ENV PATH="/opt/pointrend/.venv/bin:$PATH"
CMD ["make", "demo"]
