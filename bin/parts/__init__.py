"""The real parts Estiva runs on, each started from here and ended by process id.

The scripts in bin/ and the tests share these: a Docker Engine, an SSH server, an image registry, a Git server, Valkey, PostgreSQL. Only
the standard library is used, since the scripts start before the virtual environment exists.
"""
