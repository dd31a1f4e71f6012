"""Every table of Estiva's, one file a noun."""

from deployments.models.accounts import AccessLink, Grant, Role, User
from deployments.models.application import (
    Application,
    Environment,
    Placement,
    PlacementHost,
    Release,
    SecretVersion,
    Variable,
)
from deployments.models.attention import Attention
from deployments.models.audit import AuditEntry, AuditHead
from deployments.models.deployment import Deployment, LogChunk, Plan, Step, Target
from deployments.models.host import Host
from deployments.models.installation import Installation
from deployments.models.one_off import OneOffRun, RunChunk
from deployments.models.operation import Operation, WorkerProcess
from deployments.models.registry import Registry
from deployments.models.repository import Repository
from deployments.models.sample import HostSample
from deployments.models.shared import PlacementSet, SharedVariable, VariableSet
from deployments.models.tally import Tally
from deployments.models.terminal import Terminal, TerminalChunk
from deployments.models.token import AccessToken, IdempotencyKey
from deployments.models.webhook import CommitStatus, Webhook, WebhookDelivery

__all__ = [
    "AccessLink",
    "AccessToken",
    "Application",
    "Attention",
    "AuditEntry",
    "AuditHead",
    "CommitStatus",
    "Deployment",
    "Environment",
    "Grant",
    "Host",
    "HostSample",
    "IdempotencyKey",
    "Installation",
    "LogChunk",
    "OneOffRun",
    "Operation",
    "Placement",
    "PlacementHost",
    "PlacementSet",
    "Plan",
    "Registry",
    "Release",
    "Repository",
    "Role",
    "RunChunk",
    "SecretVersion",
    "SharedVariable",
    "Step",
    "Tally",
    "Target",
    "Terminal",
    "TerminalChunk",
    "User",
    "Variable",
    "VariableSet",
    "Webhook",
    "WebhookDelivery",
    "WorkerProcess",
]
