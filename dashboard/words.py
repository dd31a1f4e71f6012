"""What the audit trail's codes are called on the screen. A code without words is shown as it is."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

from django.utils.translation import gettext_lazy as _

if TYPE_CHECKING:
    from django_stubs_ext import StrPromise

ACTS: Final[Mapping[str, "StrPromise"]] = {
    "access.refused": _("Tried what is not theirs"),
    "application.archive": _("Archived an application"),
    "application.create": _("Made an application"),
    "application.update": _("Changed an application"),
    "audit.export": _("Took the audit trail as a file"),
    "deployment.cancel": _("Cancelled a deployment"),
    "deployment.end": _("A deployment ended"),
    "deployment.request": _("Asked for a deployment"),
    "environment.create": _("Made an environment"),
    "environment.update": _("Changed an environment"),
    "host.check": _("Asked to check a server"),
    "host.key_changed": _("A server showed another host key"),
    "host.meet": _("Asked to get to know a server"),
    "host.refuse_key": _("Refused a server's host key"),
    "host.register": _("Registered a server"),
    "host.replace_credential": _("Replaced the key for a server"),
    "host.retire": _("Retired a server"),
    "host.retrust": _("Trusted a server's changed host key"),
    "host.trust": _("Trusted a server's host key"),
    "host.update": _("Changed a server"),
    "log.download": _("Took a deployment's log as a file"),
    "person.accept": _("Accepted an invitation"),
    "person.access": _("Changed what somebody may do"),
    "person.deactivate": _("Shut somebody out"),
    "person.invite": _("Invited somebody"),
    "person.password": _("Changed a password"),
    "person.reactivate": _("Let somebody in again"),
    "person.rename": _("Changed a name"),
    "person.revoke_invitation": _("Ended an invitation"),
    "person.sign_in_link": _("Made a sign-in link"),
    "placement.create": _("Placed an application in an environment"),
    "placement.update": _("Changed settings"),
    "plan.request": _("Asked for a plan"),
    "repository.key_changed": _("A Git server showed another host key"),
    "repository.remove": _("Removed a repository"),
    "repository.save": _("Named or changed a repository"),
    "repository.trust": _("Trusted a Git server's host key"),
    "session.begin": _("Signing in"),
    "session.end": _("Signing out"),
    "session.link": _("Opened a sign-in link"),
    "setup.complete": _("Became the first admin"),
    "setup.link": _("Printed the setup link"),
    "target.end": _("A deployment ended on a server"),
    "target.settle": _("Settled what needed attention"),
    "variable.delete": _("Deleted a variable"),
    "variable.export": _("Took variables as a file"),
    "variable.import": _("Imported variables"),
    "variable.set": _("Set a variable"),
}

KINDS: Final[Mapping[str, "StrPromise"]] = {
    "access_link": _("one-time link"),
    "application": _("application"),
    "audit": _("audit trail"),
    "deployment": _("deployment"),
    "environment": _("environment"),
    "host": _("server"),
    "operation": _("look at a server"),
    "page": _("page"),
    "placement": _("placement"),
    "plan": _("plan"),
    "release": _("release"),
    "repository": _("repository"),
    "target": _("deployment on a server"),
    "user": _("person"),
    "variable": _("variable"),
}
