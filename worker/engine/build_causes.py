"""Why builds fail, as a table: what is to be seen, what it means, what to do. Data, in the order in which it is tried."""

from dataclasses import dataclass
from typing import Literal

Where = Literal["error", "output", "both"]


@dataclass(frozen=True, slots=True)
class Cause:
    """`why` and `remedy` may name the groups of `pattern`, which is looked for in the error, the output or both."""

    where: Where
    pattern: str
    why: str
    remedy: str


_NETWORK = (
    r"temporary failure in name resolution|could not resolve|temporary failure resolving|bad address '|eai_again|enotfound"
    r"|name or service not known|getaddrinfo|network is unreachable|failed to establish a new connection|no route to host"
    r"|connect etimedout|connection timed out|could not connect to proxy|proxy authentication required|407 proxy"
    r"|no such host|download timed out|lookup \S+ on \S+: "
)

# The first that is found counts: what is certain stands before what is likely.
CAUSES: tuple[Cause, ...] = (
    Cause(
        "error",
        r"dockerfile parse error (?:on )?line (?P<line>\d+): (?P<problem>[^\n]+)",
        "Line {line} of the Dockerfile can't be read: {problem}.",
        "Mend that line, commit and push.",
    ),
    Cause(
        "error",
        r"unknown flag: (?P<flag>\S+)|unknown instruction: (?P<instruction>\S+)",
        "The engine on the builder reads an older kind of Dockerfile, or the word {flag}{instruction} is misspelt.",
        "Check the spelling; update Docker on the builder, or begin the Dockerfile with: # syntax=docker/dockerfile:1",
    ),
    Cause(
        "error",
        r"failed to read dockerfile|cannot locate specified dockerfile",
        "There is no Dockerfile at that path in what was sent to the builder.",
        "Check the Dockerfile's path and the subdirectory in the build settings.",
    ),
    Cause(
        "error",
        r"dockerfile.* (?:cannot be|is) empty|file with no instructions|no build stage in current context",
        "The Dockerfile has no instruction that a build can begin from.",
        "Begin it with FROM and the image to build on.",
    ),
    Cause(
        "error",
        r"(?:failed to reach build target|target stage) \"?(?P<target>[^\s\"]+)\"?",
        "The Dockerfile has no stage named {target}.",
        "Check the target stage in the build settings against the names after AS in the Dockerfile.",
    ),
    Cause(
        "error",
        r"secret \"?(?P<secret>[^\s\":]+)\"?:? not found",
        "The Dockerfile mounts the secret {secret}, and the build settings give none of that name.",
        "Add a build secret {secret} in the build settings, taken from one of the secret variables.",
    ),
    Cause(
        "error",
        r"(?:resolve|resolving|metadata).*docker/dockerfile",
        "The Dockerfile begins with # syntax=…: the builder has to fetch that from a registry first, and couldn't.",
        "Leave that line out if nothing in the Dockerfile needs it, or let the builder reach that registry.",
    ),
    Cause(
        "both",
        r"no space left on device|disk quota exceeded|enospc",
        "The builder's disk is full.",
        "Free space on the builder, for example: docker builder prune, docker image prune.",
    ),
    Cause(
        "error",
        r"no match(?:ing manifest)? for (?:platform|(?P<platform>\S+))|does not match the specified platform",
        "The base image does not exist for the platform that is built for, {wanted}.",
        "Choose a base image that exists for {wanted}, or set the platform in the build settings to one that it has.",
    ),
    Cause(
        "both",
        r"exec format error|exec user process caused.*format|invalid elf header",
        "A program in the image is for another processor than the builder's, and the builder does not emulate it.",
        "Build for the builder's own platform, choose a builder with that processor, or set up emulation there "
        "(binfmt/qemu-user-static).",
    ),
    Cause(
        "error",
        r"\"(?P<path>/[^\"\n]*)\":? not found|lstat (?P<path2>\S+): no such file",
        "COPY or ADD asks for {path}{path2}, which is not in what was sent: it isn't in the repository at this commit, "
        "is outside of the subdirectory, or .dockerignore leaves it out.",
        "Check its spelling (capitals count), that it is committed, and .dockerignore.",
    ),
    Cause(
        "error",
        r"toomanyrequests|rate limit",
        "The registry limits how often this builder may pull.",
        "Wait and try again, sign in to the registry, or use a mirror.",
    ),
    Cause(
        "error",
        r"pull access denied|unauthorized|authentication required|insufficient_scope|authorization failed|denied: ",
        "The registry refuses the base image: it is private, does not exist, or the credentials are wrong.",
        "Check the image's name after FROM, and the registry's credentials.",
    ),
    Cause(
        "error",
        r"(?<![\w.:/@-])(?P<image>[\w.:/@-]{1,300}/[\w.:@-]{1,300}): not found|manifest unknown|manifest for .* not found|name unknown",
        "There is no such base image: the name or its tag does not exist in the registry{image_words}.",
        "Check the name and tag after FROM; tags of old versions are removed now and then.",
    ),
    Cause(
        "error",
        r"x509|certificate signed by|tls: ",
        "The registry's certificate is not trusted by the builder.",
        "Install the issuing authority's certificate on the builder (/etc/docker/certs.d/REGISTRY/ca.crt).",
    ),
    Cause(
        "error",
        r"dial tcp|i/o timeout|tls handshake timeout|no such host|failed to do request",
        "The builder does not reach the registry that the base image comes from.",
        "Check the builder's network, name servers and proxy settings, and that the registry runs.",
    ),
    Cause(
        "both",
        r"unable to find user (?P<user>[^\s:]+)|no matching entries in passwd file|unknown user/group (?P<user2>[^\s:]+)",
        "The image has no user {user}{user2} at that point of the Dockerfile.",
        "Create the user before that line (RUN adduser …), or name one that the base image has.",
    ),
    # what a command says
    Cause(
        "both",
        r"exit code: 137\b|signal: killed|javascript heap out of memory|cannot allocate memory|std::bad_alloc"
        r"|\bmemoryerror\b",
        "A command used more memory than it may have{allowed}, and was ended.",
        "Raise the memory limit in the build settings, build on a larger server, or let the command use less (fewer "
        "jobs at once).",
    ),
    Cause(
        "output",
        r"(?:no longer has|does not have) a release file|404 +not found \[ip|the repository .* is no longer signed",
        "The package sources of the base image's distribution are gone: that release has reached its end.",
        "Use a newer base image (such as a later -bookworm tag), or point the sources at its archive.",
    ),
    Cause(
        "output",
        _NETWORK,
        "A command in the build could not reach the network: its name servers, a firewall or a proxy stand between.",
        "Check that containers on the builder reach the internet; behind a proxy pass HTTP_PROXY and HTTPS_PROXY as build "
        "arguments.",
    ),
    Cause(
        "output",
        r"certificate verify failed|self.signed certificate|unable to get local issuer certificate",
        "A command in the build does not trust a server's certificate, as behind a proxy that opens TLS.",
        "Add your authority's certificate to the image before that command.",
    ),
    Cause(
        "output",
        r"requires a different python: (?P<has>\S+) not in '(?P<needs>[^']+)'",
        "A package needs Python {needs}, and the base image has {has}.",
        "Choose a base image with that Python, or an older version of the package.",
    ),
    Cause(
        "output",
        r"requires-python ?(?P<needs>[<>=!~][\w.,<>=!~ ]*)?|requires python '?(?P<needs2>[<>=][^'\n;]*)"
        r"|unsupported python version|python_requires|this package requires python",
        "A package needs another version of Python than the base image has{needs_words}.",
        "Choose a base image with a Python that fits, or versions of the packages that fit this one.",
    ),
    Cause(
        "output",
        r"could not find a version that satisfies the requirement (?P<package>[^\s(]+)"
        r"|no matching distribution found for (?P<package2>\S+)",
        "pip found no version of {package}{package2} that fits: it exists for other versions of Python only, was "
        "withdrawn, or the name is misspelt.",
        "Compare what the package asks for with the Python in the base image; check name and version in the requirements.",
    ),
    Cause(
        "output",
        r"the engine \"node\" is incompatible.*expected version \"(?P<needs>[^\"]+)\"(?:.*got \"(?P<has>[^\"]+)\")?",
        "A package needs Node {needs}, and the base image has {has}.",
        "Choose a base image with that Node (FROM node:…), or an older version of the package.",
    ),
    Cause(
        "output",
        r"not compatible with your version of node[\s\S]*?required: +\{\"node\":\"(?P<needs>[^\"]+)\""
        r"[\s\S]*?actual: +\{[^}]*\"node\":\"(?P<has>[^\"]+)\"",
        "The project or a package needs Node {needs}, and the base image has {has}.",
        "Choose a base image with that Node (FROM node:…), or an older version of the package.",
    ),
    Cause(
        "output",
        r"engine \"node\" is incompatible|ebadengine|unsupported engine|notsup|node\.js version \S+ is required"
        r"|requires node\.?js|err_ossl_evp_unsupported|digital envelope routines::unsupported",
        "The project or a package needs another version of Node than the base image has.",
        "Choose a base image with the Node that package.json names under engines, or newer versions of the packages.",
    ),
    Cause(
        "output",
        r"requires go >= ?(?P<needs>[\d.]+)(?: \(running go (?P<has>[\d.]+))?|invalid go version|unknown directive: toolchain",
        "The project needs a newer Go than the base image has{needs_words}.",
        "Choose a base image with the Go that go.mod names.",
    ),
    Cause(
        "output",
        r"npm ci. (?:command )?can only install|lockfile needs to be updated|frozen-lockfile|lock file's .* does not satisfy",
        "There is no lock file, or it does not belong to package.json.",
        "Run the package manager's install once, commit the lock file, and push.",
    ),
    Cause(
        "output",
        r"(?:unable to execute|command) '(?P<compiler>(?:[\w-]+-)?(?:gcc|g\+\+|cc|clang))'|(?P<compiler2>gcc|g\+\+|make|cc): (?:command )?not found"
        r"|pg_config executable not found|fatal error: python\.h",
        "A package is compiled while it is installed, and the base image has no compiler or lacks a library's headers.",
        "Install the build tools first (Debian: build-essential and the library's -dev package), or use a base image that has "
        "them.",
    ),
    Cause(
        "output",
        r"syntaxerror: (?:invalid syntax|missing parentheses in call|.*f-string|.*positional-only|expected ':'|future feature)"
        r"|modulenotfounderror: no module named '(?:tomllib|distutils|imp|asyncore)'",
        "Python does not understand the code: most often it is written for a newer (or older) Python than the base image "
        "has.",
        "Compare the Python that the project needs with the one after FROM.",
    ),
    Cause(
        "output",
        r"syntaxerror: unexpected (?:token|identifier|end of input|reserved word)|cannot use import statement outside a module",
        "Node does not understand the code: most often it is written for a newer Node than the base image has.",
        "Compare the Node that the project needs with the one after FROM.",
    ),
    Cause(
        "both",
        r"executable file not found in \$path|(?:sh|bash|ash)(?:: (?:line )?\d+)?: (?P<program>[^\s:]+): (?:command )?not found"
        r"|stat /bin/sh: no such file|exit code: 127\b",
        "A command isn't in the image{program_words}: it is not installed, misspelt, or the image has no shell.",
        "Install it in the Dockerfile before that line, or choose a base image that has it.",
    ),
    Cause(
        "both",
        r"permission denied|operation not permitted|eacces|exit code: 126\b",
        "A command may not do what it tries: a script is not executable, or an earlier USER line took root's rights away.",
        "Make the script executable in the repository (git update-index --chmod=+x), or put the command before the USER line.",
    ),
)
