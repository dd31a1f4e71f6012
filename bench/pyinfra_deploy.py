"""pyinfra's deploy: the docker client's four steps. Runs in the peers' environment."""

from pyinfra import host
from pyinfra.operations import server

server.shell(name="Replace the container", commands=host.data.lines)
