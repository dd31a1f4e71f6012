"""One settings file for web, workers and reconciler; every value comes from the environment (.env.example explains each)."""

from pathlib import Path

from csp.constants import NONE, SELF
from django.utils.translation import gettext_lazy as _

from dashboard import env

BASE_DIR = Path(__file__).resolve().parent.parent
VERSION = "0.1.0"

ESTIVA_DEMO = env.flag("ESTIVA_DEMO")
ESTIVA_VAR = Path(env.text("ESTIVA_VAR", str(BASE_DIR / "var")))
DEBUG = env.flag("ESTIVA_DEBUG")

# Keys: the program refuses to start without them (`manage.py keys` prints fresh ones and needs none itself).
SECRET_KEY = env.key("ESTIVA_SECRET_KEY")
ESTIVA_SEALING_PUBLIC_KEY = env.key("ESTIVA_SEALING_PUBLIC_KEY")
ESTIVA_SEALING_PRIVATE_KEY = env.text("ESTIVA_SEALING_PRIVATE_KEY", "")  # the worker's alone
ESTIVA_AUDIT_KEY = env.key("ESTIVA_AUDIT_KEY")
# Fernet keys, comma-separated, newest first: what the web itself must read
ESTIVA_FIELD_KEY = env.key("ESTIVA_FIELD_KEY")

ESTIVA_BASE_URL = env.text("ESTIVA_BASE_URL", "http://127.0.0.1:8000").rstrip("/")
ESTIVA_REDIS_URL = env.text("ESTIVA_REDIS_URL", f"unix://{ESTIVA_VAR}/valkey.sock")
ESTIVA_LIVE_REDIS_URL = env.text("ESTIVA_LIVE_REDIS_URL", "")  # of the live tail, where it has a Redis of its own
ESTIVA_TRUSTED_PROXIES = env.number("ESTIVA_TRUSTED_PROXIES", 0)  # how many proxies in front add to X-Forwarded-For
ESTIVA_HOST_CHECK_SECONDS = env.number("ESTIVA_HOST_CHECK_SECONDS", 60, least=5)
ESTIVA_LOG_FORMAT = env.choice("ESTIVA_LOG_FORMAT", "auto", "auto", "json", "console")
ESTIVA_LOG_LEVEL = env.choice("ESTIVA_LOG_LEVEL", "INFO", "DEBUG", "INFO", "WARNING", "ERROR")
ESTIVA_METRICS_TOKEN = env.text("ESTIVA_METRICS_TOKEN", "")  # lets Prometheus read /metrics without a session
ESTIVA_ALLOWED_BINDS = env.words("ESTIVA_ALLOWED_BINDS")  # folders of servers that no admin is needed for
ESTIVA_GIT_ALLOWED_HOSTS = env.words("ESTIVA_GIT_ALLOWED_HOSTS")  # private servers for submodules and LFS files
ESTIVA_GIT_CACHE_BYTES = env.number("ESTIVA_GIT_CACHE_BYTES", 20_000_000_000, least=0)  # of all mirrors on a worker
ESTIVA_LOCAL_ENGINE = env.text("ESTIVA_LOCAL_ENGINE", "")  # socket of the Docker Engine beside a worker, for it to use
ESTIVA_LOG_LIMIT_BYTES = env.number("ESTIVA_LOG_LIMIT_BYTES", 100_000_000, least=1000)

ALLOWED_HOSTS = env.words("ESTIVA_ALLOWED_HOSTS", "127.0.0.1,localhost,[::1]")
CSRF_TRUSTED_ORIGINS = [ESTIVA_BASE_URL]
_SECURE = ESTIVA_BASE_URL.startswith("https://")

INSTALLED_APPS = [
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "allauth",
    "allauth.account",
    "csp",
    "deployments",
    "dashboard",
    "worker",
]

MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "dashboard.api.gate.ApiMiddleware",
    "csp.middleware.CSPMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.locale.LocaleMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "allauth.account.middleware.AccountMiddleware",
    "dashboard.middleware.PeopleMiddleware",
]

ROOT_URLCONF = "dashboard.urls"
ASGI_APPLICATION = "dashboard.asgi.application"

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "dashboard.context.navigation",
            ],
            "builtins": ["dashboard.templatetags.estiva", "django.templatetags.i18n", "django.templatetags.static"],
        },
    }
]

DATABASES = {"default": env.database(env.text("ESTIVA_DATABASE_URL", f"sqlite:///{ESTIVA_VAR}/estiva.sqlite3"))}
CACHES = {
    "default": {
        "BACKEND": "django.core.cache.backends.db.DatabaseCache",
        "LOCATION": "estiva_cache",
        # At Django's 300 a flood of sign-ins from many addresses would push out the very counts that limit it
        "OPTIONS": {"MAX_ENTRIES": 100_000},
    }
}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

# People
AUTH_USER_MODEL = "deployments.User"
AUTHENTICATION_BACKENDS = ["allauth.account.auth_backends.AuthenticationBackend"]
AUTH_PASSWORD_VALIDATORS = [
    {
        "NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator",
        "OPTIONS": {"user_attributes": ("email", "name")},
    },
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator", "OPTIONS": {"min_length": 10}},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
]
LOGIN_URL = "account_login"
LOGIN_REDIRECT_URL = "/"
ACCOUNT_ADAPTER = "dashboard.adapters.AccountAdapter"
ACCOUNT_FORMS = {"login": "dashboard.forms.accounts.SignInForm"}
ACCOUNT_LOGIN_METHODS = {"email"}
ACCOUNT_SIGNUP_FIELDS = ["email*", "password1*"]
ACCOUNT_USER_MODEL_USERNAME_FIELD = None
ACCOUNT_EMAIL_VERIFICATION = "none"
ACCOUNT_SESSION_REMEMBER = True
ACCOUNT_LOGOUT_REDIRECT_URL = LOGIN_URL
ACCOUNT_RATE_LIMITS = {"login": "30/m/ip", "login_failed": "10/m/ip,5/5m/key"}
ALLAUTH_TRUSTED_PROXY_COUNT = ESTIVA_TRUSTED_PROXIES

SESSION_COOKIE_NAME = "estiva_session"
SESSION_COOKIE_AGE = 14 * 24 * 3600
SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = "Lax"
CSRF_COOKIE_NAME = "estiva_csrf"
CSRF_COOKIE_SAMESITE = "Lax"
CSRF_FAILURE_VIEW = "dashboard.views.errors.csrf_failure"
MESSAGE_STORAGE = "django.contrib.messages.storage.session.SessionStorage"

# The wire
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = SECURE_SSL_REDIRECT = _SECURE
SECURE_HSTS_SECONDS = env.number("ESTIVA_HSTS_SECONDS", 31_536_000 if _SECURE else 0)
# They bind every neighbour below this host name, for good: whoever runs those decides, so the checks' advice is silenced
SECURE_HSTS_PRELOAD = env.flag("ESTIVA_HSTS_PRELOAD")
SECURE_HSTS_INCLUDE_SUBDOMAINS = SECURE_HSTS_PRELOAD or env.flag("ESTIVA_HSTS_SUBDOMAINS")
SILENCED_SYSTEM_CHECKS = [
    *([] if SECURE_HSTS_INCLUDE_SUBDOMAINS else ["security.W005"]),
    *([] if SECURE_HSTS_PRELOAD else ["security.W021"]),
]
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https") if ESTIVA_TRUSTED_PROXIES else None
SECURE_REDIRECT_EXEMPT = [r"^readyz$"]
SECURE_REFERRER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"
DATA_UPLOAD_MAX_MEMORY_SIZE = 2_000_000
CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": [SELF],
        "base-uri": [NONE],
        "form-action": [SELF],
        "frame-ancestors": [NONE],
        "object-src": [NONE],
    }
}

# Words and time
LANGUAGE_CODE = "en"
LANGUAGES = [("en", _("English"))]  # one catalogue at a time: half a translation is worse than none
LOCALE_PATHS = [BASE_DIR / "dashboard" / "locale"]
USE_TZ = True
TIME_ZONE = env.text("ESTIVA_TIME_ZONE", "UTC")

# Files
STATIC_URL = "static/"
STATIC_ROOT = Path(env.text("ESTIVA_STATIC_ROOT", str(ESTIVA_VAR / "static")))
ESTIVA_PLAIN_STATIC = DEBUG or env.flag("ESTIVA_PLAIN_STATIC")  # straight from the source tree, nothing collected
if ESTIVA_PLAIN_STATIC:
    STATIC_ROOT.mkdir(parents=True, exist_ok=True)  # WhiteNoise warns of a missing one
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {
        "BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"
        if ESTIVA_PLAIN_STATIC
        else "dashboard.static_files.StaticFiles"
    },
}
WHITENOISE_USE_FINDERS = ESTIVA_PLAIN_STATIC
WHITENOISE_KEEP_ONLY_HASHED_FILES = False

LOGGING_CONFIG = None  # deployments.logs configures structlog, which carries the standard library's records too
