# The worker: the encoder on a CPU or a GPU, and the FAISS index.
FROM python:3.11-slim-bookworm
# Where torch and torchvision come from; empty: the default package index, whose builds carry CUDA and run without it.
ARG TORCH_INDEX_URL=""
# faiss-cpu or faiss-gpu: they hold the same module, so exactly one is installed.
ARG FAISS=faiss-cpu
WORKDIR /srv/vills
COPY requirements.lock ./
RUN pip install --no-cache-dir --constraint requirements.lock ${TORCH_INDEX_URL:+--index-url "$TORCH_INDEX_URL"} torch torchvision
COPY pyproject.toml README.md LICENSE NOTICE ./
COPY service ./service
COPY model ./model
COPY index ./index
RUN pip install --no-cache-dir --constraint requirements.lock ".[worker,$FAISS]" \
 && useradd --uid 10001 --create-home vills \
 && mkdir /data && chown vills:vills /data
USER vills
# OpenMP's threads sleep when they wait: spinning, they take the processor from everything beside the encoder.
ENV PYTHONUNBUFFERED=1 OMP_WAIT_POLICY=PASSIVE VILLS_DATA_DIR=/data
VOLUME /data
HEALTHCHECK --interval=10s --timeout=5s --start-period=60s CMD ["vills", "check", "worker"]
STOPSIGNAL SIGTERM
ENTRYPOINT ["vills"]
CMD ["worker"]
