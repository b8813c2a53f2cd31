# The api: FastAPI, Redis client and decoders. No torch, no FAISS.
FROM python:3.11-slim-bookworm
WORKDIR /srv/vills
COPY requirements.lock pyproject.toml README.md LICENSE NOTICE ./
COPY service ./service
COPY model ./model
COPY index ./index
RUN pip install --no-cache-dir --constraint requirements.lock . \
 && useradd --uid 10001 --create-home vills \
 && mkdir /data && chown vills:vills /data
USER vills
ENV PYTHONUNBUFFERED=1 VILLS_DATA_DIR=/data VILLS_HOST=0.0.0.0 VILLS_PORT=8000
VOLUME /data
EXPOSE 8000
HEALTHCHECK --interval=10s --timeout=5s --start-period=10s CMD ["vills", "check", "api"]
ENTRYPOINT ["vills"]
CMD ["api"]
