"""What the settings ask for and this server's engine or kernel hasn't: said in the plan, since some of it is passed over in silence."""

from collections.abc import Iterator

from worker.engine.container_host import EngineFacts
from worker.engine.events import Finding
from worker.engine.options import Options

_ABILITIES = {
    "SwapLimit": ("memory_swap",),
    "Swappiness": ("memory_swappiness",),
    "OomKillDisable": ("oom_kill_disable",),
    "CpuCfsQuota": ("cpu_quota", "cpu_period"),
    "CPUShares": ("cpu_shares",),
    "CPUSet": ("cpuset_cpus", "cpuset_mems"),
    "PidsLimit": ("pids_limit",),
    "MemoryLimit": ("memory_reservation",),
}
_SINCE = {"annotations": ((1, 43), "24")}
"""The first version of the API that knows an option, and of Docker for people."""


def asks_much(options: Options) -> bool:
    """Whether it matters what this server's engine and kernel can do."""
    named = [name for names in _ABILITIES.values() for name in names]
    return any(getattr(options, name) not in (None, "", False) for name in (*named, "runtime", "log_driver"))


def lacking(options: Options, facts: EngineFacts, server: str) -> Iterator[Finding]:
    """A Finding for each; none where all can be had. What an engine says nothing about counts as there."""
    for ability, names in _ABILITIES.items():
        asked = [name for name in names if getattr(options, name) not in (None, "", False)]
        if ability in facts.absent and asked:
            said = f"The kernel of {server} can't limit this: {_shown(asked)} will have no effect there."
            yield Finding(
                "options", "warn", said, "Leave it empty, or turn the control group's part on in that kernel."
            )
    for name, (api, version) in _SINCE.items():
        if getattr(options, name) and _version(facts.api_version) < api:
            said = f"{facts.name} on {server} passes {_shown([name])} over: Docker {version} brought them."
            yield Finding("options", "warn", said, "Leave them empty, or bring that engine up to date.")
    for name, known in (("runtime", facts.runtimes), ("log_driver", facts.log_drivers)):
        wanted = getattr(options, name)
        if wanted == "json-file" and facts.product == "Podman":
            continue  # another name of its k8s-file
        if wanted and known and wanted not in known:
            said = f"{facts.product} on {server} has no {name.replace('_', ' ')} {wanted}; it has {', '.join(known)}."
            yield Finding("options", "bad", said, "Choose one of these, or install it on that server.")


def _shown(names: list[str]) -> str:
    return ", ".join(name.replace("_", " ") for name in names)


def _version(api: str) -> tuple[int, ...]:
    numbers = api.split(".")
    return tuple(int(each) for each in numbers) if all(each.isdigit() for each in numbers) else (99,)
