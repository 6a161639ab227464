# A Docker Space (or any container): uid 1000, port 8501, everything built here, nothing but the Hub asked at run time.
# With --build-arg BASE=isleschallenge/deepisles the engine "deepisles" is inside; see docs/deepisles.md.
# With --build-arg NETWORK=yes what the engine "network" needs is inside, several GB more; see docs/models.md.
ARG BASE=python:3.11-slim
FROM ${BASE}

# DeepISLES' image has conda and Python 3.8 only, and its algorithms write beside their own sources below /app/src.
USER root
RUN command -v python3.11 || conda create --yes --prefix /opt/python --override-channels --channel conda-forge python=3.11
RUN useradd --create-home --uid 1000 user && mkdir /home/user/app && chown user:user /home/user/app \
    && if [ -d /app/src ]; then chown user:user /app && chown --recursive user:user /app/src; fi
USER user
WORKDIR /home/user/app
ENV PATH=/home/user/app/.venv/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    HF_HUB_DISABLE_TELEMETRY=1 \
    HF_HUB_DISABLE_XET=1 \
    STREAMLIT_SERVER_XSRF_COOKIE_SAME_SITE=none

COPY --chown=user requirements.txt ./
RUN PATH=$PATH:/opt/python/bin python3.11 -m venv .venv && pip install --no-cache-dir -r requirements.txt

ARG NETWORK=
COPY --chown=user requirements-network.txt ./
RUN if [ "$NETWORK" = yes ]; then pip install --no-cache-dir -r requirements-network.txt; fi

COPY --chown=user tools/build_viewer.py tools/
COPY --chown=user core/ui/viewer core/ui/viewer
RUN python tools/build_viewer.py && rm -rf core/ui/viewer/node_modules

COPY --chown=user . .

ENTRYPOINT []
EXPOSE 8501
HEALTHCHECK --interval=30s --timeout=5s --start-period=60s --retries=3 \
    CMD python -c "import urllib.request as u; u.urlopen('http://127.0.0.1:8501/_stcore/health', timeout=4)"
CMD ["python", "-m", "core", "serve", "--port", "8501"]
