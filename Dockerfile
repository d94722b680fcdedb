# One image for all processes: web, worker, beat and the migration differ in their command only.
ARG PYTHON=3.11.14-slim-bookworm

FROM python:${PYTHON} AS packages
RUN python -m venv /opt/venv
ENV PATH=/opt/venv/bin:$PATH
COPY requirements.txt .
RUN pip install --no-cache-dir --no-input --disable-pip-version-check --require-hashes -r requirements.txt

# Fonts for characters that DejaVu Sans lacks (CHARTS_FONT_DIRS), with their copyright files, as their licences require.
FROM python:${PYTHON} AS fonts
RUN apt-get update \
 && apt-get install --yes --no-install-recommends fonts-noto-core fonts-noto-cjk fonts-symbola \
 && mkdir /fonts \
 && cd /usr/share/fonts \
 && for script in "" Arabic Hebrew Devanagari Thai; do \
        cp truetype/noto/NotoSans$script-Regular.ttf truetype/noto/NotoSans$script-Bold.ttf /fonts/ || exit 1; \
    done \
 && cp opentype/noto/NotoSansCJK-Regular.ttc opentype/noto/NotoSansCJK-Bold.ttc /fonts/ \
 && cp truetype/noto/NotoSansSymbols-Regular.ttf truetype/noto/NotoSansSymbols2-Regular.ttf /fonts/ \
 && cp truetype/ancient-scripts/Symbola_hint.ttf /fonts/ \
 && for package in fonts-noto-core fonts-noto-cjk fonts-symbola; do \
        cp /usr/share/doc/$package/copyright /fonts/$package.copyright || exit 1; \
    done

FROM python:${PYTHON}
RUN groupadd --gid 10001 signalbox \
 && useradd --uid 10001 --gid signalbox --no-create-home --shell /usr/sbin/nologin signalbox \
 && install --directory --owner signalbox --group signalbox /media /srv/signalbox/var
COPY --from=packages /opt/venv /opt/venv
COPY --from=fonts /fonts /usr/share/fonts/signalbox
WORKDIR /srv/signalbox
COPY config.py wsgi.py LICENSE ./
COPY app app
COPY worker worker
COPY migrations migrations
ENV PATH=/opt/venv/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    MPLCONFIGDIR=/tmp/matplotlib \
    OPENBLAS_NUM_THREADS=1 \
    OMP_NUM_THREADS=1 \
    APP_ENV=production \
    WEB_HOST=0.0.0.0 \
    MEDIA_DIR=/media \
    CHARTS_FONT_DIRS=/usr/share/fonts/signalbox \
    PROMETHEUS_MULTIPROC_DIR=/tmp/metrics
RUN python -m compileall -q config.py wsgi.py app worker migrations
USER signalbox
VOLUME /media
EXPOSE 8000
CMD ["python", "-m", "app.server"]
