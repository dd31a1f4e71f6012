"""Statuses and legal moves, as data. Only `requests`, `claims` and `endings` write a status, each by compare-and-swap along these moves."""

from collections.abc import Mapping

from django.db.models import TextChoices
from django.utils.translation import gettext_lazy as _


class TargetStatus(TextChoices):
    """One host's share of a Deployment."""

    QUEUED = "queued", _("Queued")
    RUNNING = "running", _("Running")
    STALLED = "stalled", _("Stalled")
    SUCCEEDED = "succeeded", _("Succeeded")
    FAILED = "failed", _("Failed")
    FAILED_UNTOUCHED = "failed_untouched", _("Failed, nothing changed")
    FAILED_RESTORED = "failed_restored", _("Failed, restored")
    CANCELLED = "cancelled", _("Cancelled")
    CANCELLED_RESTORED = "cancelled_restored", _("Cancelled, restored")
    SKIPPED = "skipped", _("Skipped")
    NEEDS_ATTENTION = "needs_attention", _("Needs attention")


class DeploymentStatus(TextChoices):
    """Derived from the Targets, in the same transaction as theirs."""

    QUEUED = "queued", _("Queued")
    RUNNING = "running", _("Running")
    SUCCEEDED = "succeeded", _("Succeeded")
    FAILED = "failed", _("Failed")
    CANCELLED = "cancelled", _("Cancelled")
    NEEDS_ATTENTION = "needs_attention", _("Needs attention")


class OperationStatus(TextChoices):
    """Any other short work on a Host or Registry."""

    QUEUED = "queued", _("Queued")
    RUNNING = "running", _("Running")
    SUCCEEDED = "succeeded", _("Done")
    FAILED = "failed", _("Failed")
    CANCELLED = "cancelled", _("Cancelled")


class HostState(TextChoices):
    """What is known of a Host."""

    NEW = "new", _("New")
    UNTRUSTED = "untrusted", _("Waiting for you")
    READY = "ready", _("Ready")
    UNREACHABLE = "unreachable", _("Unreachable")
    KEY_CHANGED = "key_changed", _("Host key changed")
    UNSUPPORTED = "unsupported", _("Not supported")
    RETIRED = "retired", _("Retired")


class RepositoryState(TextChoices):
    """What is known of an Application's Git repository."""

    NEW = "new", _("New")
    UNTRUSTED = "untrusted", _("Waiting for you")
    READY = "ready", _("Ready")
    UNREACHABLE = "unreachable", _("Unreachable")
    REFUSED = "refused", _("Access refused")
    KEY_CHANGED = "key_changed", _("Host key changed")


class RegistryState(TextChoices):
    """What is known of a Registry's credentials."""

    NEW = "new", _("New")
    READY = "ready", _("Ready")
    REFUSED = "refused", _("Access refused")
    UNREACHABLE = "unreachable", _("Unreachable")


_T, _O = TargetStatus, OperationStatus

TARGET_ENDS = frozenset(
    {
        _T.SUCCEEDED,
        _T.FAILED,
        _T.FAILED_UNTOUCHED,
        _T.FAILED_RESTORED,
        _T.CANCELLED,
        _T.CANCELLED_RESTORED,
        _T.SKIPPED,
        _T.NEEDS_ATTENTION,
    }
)
TARGET_OPEN = frozenset({_T.QUEUED, _T.RUNNING, _T.STALLED})
TARGET_WAITING = frozenset({_T.QUEUED, _T.STALLED})  # nobody holds it
TARGET_HELD = frozenset({_T.RUNNING, _T.STALLED})  # work on the server may have begun
TARGET_MOVES: Mapping[TargetStatus, frozenset[TargetStatus]] = {
    _T.QUEUED: frozenset({_T.RUNNING, _T.CANCELLED, _T.SKIPPED}),
    _T.RUNNING: TARGET_ENDS | {_T.STALLED},
    _T.STALLED: frozenset({_T.RUNNING, _T.NEEDS_ATTENTION, _T.FAILED_UNTOUCHED, _T.CANCELLED}),
    **{end: frozenset() for end in TARGET_ENDS},
}

DEPLOYMENT_ENDS = frozenset(
    {
        DeploymentStatus.SUCCEEDED,
        DeploymentStatus.FAILED,
        DeploymentStatus.CANCELLED,
        DeploymentStatus.NEEDS_ATTENTION,
    }
)
DEPLOYMENT_OPEN = frozenset({DeploymentStatus.QUEUED, DeploymentStatus.RUNNING})

OPERATION_ENDS = frozenset({_O.SUCCEEDED, _O.FAILED, _O.CANCELLED})
OPERATION_OPEN = frozenset({_O.QUEUED, _O.RUNNING})
OPERATION_MOVES: Mapping[OperationStatus, frozenset[OperationStatus]] = {
    _O.QUEUED: frozenset({_O.RUNNING, _O.CANCELLED, _O.FAILED}),
    _O.RUNNING: OPERATION_ENDS | {_O.QUEUED},
    **{end: frozenset() for end in OPERATION_ENDS},
}


def derive_deployment_status(targets: list[TargetStatus]) -> DeploymentStatus:
    """The Deployment's status, from the statuses of all its Targets."""
    if any(status in TARGET_HELD for status in targets):
        return DeploymentStatus.RUNNING
    if any(status is _T.QUEUED for status in targets):
        began = any(status in TARGET_ENDS for status in targets)
        return DeploymentStatus.RUNNING if began else DeploymentStatus.QUEUED
    if any(status is _T.NEEDS_ATTENTION for status in targets):
        return DeploymentStatus.NEEDS_ATTENTION
    if any(status in {_T.FAILED, _T.FAILED_UNTOUCHED, _T.FAILED_RESTORED} for status in targets):
        return DeploymentStatus.FAILED
    if any(status in {_T.CANCELLED, _T.CANCELLED_RESTORED} for status in targets):
        return DeploymentStatus.CANCELLED
    if _T.SUCCEEDED in targets and all(status in {_T.SUCCEEDED, _T.SKIPPED} for status in targets):
        return DeploymentStatus.SUCCEEDED
    return DeploymentStatus.FAILED
