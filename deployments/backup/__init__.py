"""Backup and restore: all rows as one text file, the same for both databases, so that one may be restored into the other.

The file is gzip of lines of JSON: a header, then for each table a line that names it and one line a row, then a line with
the counts and the SHA-256 of all lines before it. Secrets are in it as they lie in the database: sealed. The keys are not.
"""

from deployments.backup.dump import Written, write
from deployments.backup.file import BackupRefused
from deployments.backup.load import Restored, restore

__all__ = ["BackupRefused", "Restored", "Written", "restore", "write"]
