"""Every flag of `docker run`, `podman run` and `docker build`, and whether a value follows.

Without this a flag that isn't known would swallow the word after it, or the other way round.
"""

from typing import Final

Table = dict[str, bool]
"""Long names as `--name`, short ones as `-n`; True where a value follows."""

_RUN_SWITCHES: Final = (
    "--detach --disable-content-trust --help --init --interactive --no-healthcheck --oom-kill-disable --privileged "
    "--publish-all --quiet --read-only --rm --sig-proxy --tty --use-api-socket "
    # podman's own
    "--env-host --http-proxy --no-hostname --no-hosts --passwd --read-only-tmpfs --replace --rmi --rootfs --tls-verify "
    "--unsetenv-all"
)
_RUN_VALUES: Final = (
    "--add-host --annotation --attach --blkio-weight --blkio-weight-device --cap-add --cap-drop --cgroup-parent "
    "--cgroupns --cidfile --cpu-count --cpu-percent --cpu-period --cpu-quota --cpu-rt-period --cpu-rt-runtime "
    "--cpu-shares --cpus --cpuset-cpus --cpuset-mems --detach-keys --device --device-cgroup-rule --device-read-bps "
    "--device-read-iops --device-write-bps --device-write-iops --dns --dns-opt --dns-option --dns-search --domainname "
    "--entrypoint --env --env-file --expose --gpus --group-add --health-cmd --health-interval --health-retries "
    "--health-start-interval --health-start-period --health-timeout --hostname --io-maxbandwidth --io-maxiops --ip "
    "--ip6 --ipc --isolation --kernel-memory --label --label-file --link --link-local-ip --log-driver --log-opt "
    "--mac-address --memory --memory-reservation --memory-swap --memory-swappiness --mount --name --net --net-alias "
    "--network --network-alias --oom-score-adj --pid --pids-limit --platform --publish --pull --restart --runtime "
    "--security-opt --shm-size --stop-signal --stop-timeout --storage-opt --sysctl --tmpfs --ulimit --user --userns "
    "--uts --volume --volume-driver --volumes-from --workdir "
    # podman's own
    "--arch --authfile --cgroup-conf --cgroups --chrootdirs --conmon-pidfile --creds --decryption-key --env-merge "
    "--gidmap --group-entry --health-log-destination --health-max-log-count --health-max-log-size --health-on-failure "
    "--health-startup-cmd --health-startup-interval --health-startup-retries --health-startup-success "
    "--health-startup-timeout --hosts-file --hostuser --image-volume --init-ctr --init-path --os --passwd-entry "
    "--personality --pidfile --pod --pod-id-file --preserve-fd --preserve-fds --rdt-class --requires --retry "
    "--retry-delay --sdnotify --seccomp-policy --secret --shm-size-systemd --subgidname --subuidname --systemd "
    "--timeout --tz --uidmap --umask --unsetenv --variant"
)
_RUN_SHORT: Final = {
    "-a": "--attach",
    "-c": "--cpu-shares",
    "-d": "--detach",
    "-e": "--env",
    "-h": "--hostname",
    "-i": "--interactive",
    "-l": "--label",
    "-m": "--memory",
    "-P": "--publish-all",
    "-p": "--publish",
    "-q": "--quiet",
    "-t": "--tty",
    "-u": "--user",
    "-v": "--volume",
    "-w": "--workdir",
}
_BUILD_SWITCHES: Final = (
    "--check --compress --disable-content-trust --force-rm --help --layers --load --no-cache --pull --push --quiet --rm "
    "--squash --stream --tls-verify"
)
_BUILD_VALUES: Final = (
    "--add-host --allow --annotation --attest --authfile --build-arg --build-context --builder --cache-from --cache-to "
    "--call --cgroup-parent --cpu-period --cpu-quota --cpu-shares --cpuset-cpus --cpuset-mems --debug --file --format "
    "--iidfile --ignorefile --isolation --jobs --label --memory --memory-swap --metadata-file --network "
    "--no-cache-filter --output --platform --progress --provenance --sbom --secret --security-opt --shm-size --ssh "
    "--tag --target --ulimit --volume"
)
_BUILD_SHORT: Final = {
    "-c": "--cpu-shares",
    "-D": "--debug",
    "-f": "--file",
    "-m": "--memory",
    "-o": "--output",
    "-q": "--quiet",
    "-t": "--tag",
    "-v": "--volume",
}
_GLOBAL_SWITCHES: Final = "--debug --help --remote --tls --tlsverify --version"
_GLOBAL_VALUES: Final = (
    "--config --connection --context --host --identity --log-level --namespace --storage-driver --tlscacert --tlscert "
    "--tlskey --url"
)
_GLOBAL_SHORT: Final = {"-c": "--context", "-D": "--debug", "-H": "--host", "-l": "--log-level", "-v": "--version"}

SAME: Final = {"--net": "--network", "--net-alias": "--network-alias", "--dns-opt": "--dns-option"}
"""Names of the same flag."""


class Flags:
    """The flags of one command."""

    def __init__(self, switches: str, values: str, short: dict[str, str]) -> None:
        self.short = short
        self.takes_value: Table = dict.fromkeys(switches.split(), False) | dict.fromkeys(values.split(), True)

    def long(self, name: str) -> str | None:
        """The flag's one long name, None where there is no such flag."""
        name = self.short.get(name, name)
        return SAME.get(name, name) if name in self.takes_value else None


RUN: Final = Flags(_RUN_SWITCHES, _RUN_VALUES, _RUN_SHORT)
BUILD: Final = Flags(_BUILD_SWITCHES, _BUILD_VALUES, _BUILD_SHORT)
GLOBAL: Final = Flags(_GLOBAL_SWITCHES, _GLOBAL_VALUES, _GLOBAL_SHORT)
SUDO: Final = Flags(
    "--askpass --background --bell --login --non-interactive --preserve-env --reset-timestamp --set-home --stdin",
    "--user --group --host --prompt --close-from --chdir --role --type",
    {
        "-A": "--askpass", "-b": "--background", "-B": "--bell", "-C": "--close-from", "-D": "--chdir", "-E": "--preserve-env",
        "-g": "--group", "-h": "--host", "-H": "--set-home", "-i": "--login", "-k": "--reset-timestamp", "-n": "--non-interactive",
        "-p": "--prompt", "-r": "--role", "-S": "--stdin", "-t": "--type", "-u": "--user",
    },
)  # fmt: skip
CLONE: Final = Flags(
    "--bare --dissociate --local --mirror --no-checkout --no-hardlinks --no-remote-submodules --no-shallow-submodules "
    "--no-single-branch --no-tags --progress --quiet --recurse-submodules --recursive --reject-shallow "
    "--remote-submodules --shallow-submodules --shared --single-branch --sparse --verbose",
    "--branch --bundle-uri --config --depth --filter --jobs --origin --reference --reference-if-able --revision "
    "--separate-git-dir --server-option --shallow-exclude --shallow-since --template --upload-pack",
    {
        "-b": "--branch", "-c": "--config", "-j": "--jobs", "-l": "--local", "-n": "--no-checkout", "-o": "--origin",
        "-q": "--quiet", "-s": "--shared", "-u": "--upload-pack", "-v": "--verbose",
    },
)  # fmt: skip
SSH: Final = Flags(
    "--4 --6 --quiet --tty --no-tty --no-stdin --background --no-command --agent --no-agent --compress --verbose --forward-x --trusted-x",
    "--bind --cipher --log --escape --config --identity --jump --local --login --mac --option --port --remote --dynamic --query --stdio",
    {
        "-4": "--4", "-6": "--6", "-q": "--quiet", "-t": "--tty", "-T": "--no-tty", "-n": "--no-stdin", "-f": "--background",
        "-N": "--no-command", "-A": "--agent", "-a": "--no-agent", "-C": "--compress", "-v": "--verbose", "-X": "--forward-x",
        "-Y": "--trusted-x", "-b": "--bind", "-c": "--cipher", "-E": "--log", "-e": "--escape", "-F": "--config", "-i": "--identity",
        "-J": "--jump", "-L": "--local", "-l": "--login", "-m": "--mac", "-o": "--option", "-p": "--port", "-R": "--remote",
        "-D": "--dynamic", "-Q": "--query", "-W": "--stdio",
    },
)  # fmt: skip
