"""Static files in production: hashed names, compressed, modules importing each other by those names."""

from whitenoise.storage import CompressedManifestStaticFilesStorage


class StaticFiles(CompressedManifestStaticFilesStorage):
    """Also rewrites the imports between our JavaScript modules, so that all of them may be cached for ever."""

    support_js_module_import_aggregation = True
