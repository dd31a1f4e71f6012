# Estiva's image: web, workers and reconciler are the same code, started with different commands (docker-compose.yml).
FROM python:3.11.13-slim-bookworm

ENV PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    PIP_NO_CACHE_DIR=1 \
    ESTIVA_VAR=/var/lib/estiva \
    ESTIVA_STATIC_ROOT=/srv/estiva-static

# What fetches repositories, as a program: git, and ssh for it
RUN apt-get update \
    && apt-get install --yes --no-install-recommends ca-certificates git openssh-client \
    && rm -rf /var/lib/apt/lists/*

RUN useradd --system --uid 10001 --home-dir /var/lib/estiva --create-home --shell /usr/sbin/nologin estiva

WORKDIR /srv/estiva
COPY requirements.txt .
RUN pip install --requirement requirements.txt

COPY manage.py .
COPY dashboard dashboard
COPY deployments deployments
COPY worker worker
COPY templates templates

# Collecting static files reads the settings, which refuse to load without keys; these serve this one step and open nothing.
RUN ESTIVA_SECRET_KEY=build ESTIVA_SEALING_PUBLIC_KEY=build ESTIVA_AUDIT_KEY=build ESTIVA_FIELD_KEY=build \
    python manage.py collectstatic --noinput

USER estiva
EXPOSE 8000
CMD ["gunicorn", "-k", "asgi", "--no-control-socket", "-b", "0.0.0.0:8000", "--workers", "2", "--graceful-timeout", "3", "dashboard.asgi:application"]
