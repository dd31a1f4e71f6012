"""pyinfra's deploy: the docker client's four steps. Runs in the peers' environment."""

import shlex

from pyinfra import host
from pyinfra.operations import server

server.shell(name="Replace the container", commands=[shlex.join(words) for words in host.data.commands])
