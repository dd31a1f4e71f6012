"""Every page, as the addresses it is measured at; and the routes that aren't measured, each with the reason.

`{…}` stands for what `bench.pages_people` finds in the data set. A page with several addresses is asked for at each in turn.
"""

from typing import Final

_PLACE = "/applications/{application}/{environment}"
_API_PLACE = "/api/v1/placements/{application}/{environment}"
_FLEET = "/applications/{fleet_application}/{fleet_environment}"

PAGES: Final[dict[str, dict[str, tuple[str, ...]]]] = {
    "overview": {"": ("/",), "board": ("/?fragment=board",)},
    "applications": {"": ("/applications/",), "list": ("/applications/?fragment=list",)},
    "application_new": {"": ("/applications/new",)},
    "application_paste": {"": ("/applications/paste",)},
    "application_new_git": {"": ("/applications/repository",)},
    "application": {
        "": ("/applications/{application}/", "/applications/{other_application}/"),
        "fleet": ("/applications/{fleet_application}/",),
    },
    "application_edit": {"": ("/applications/{application}/edit",)},
    "application_archive": {"": ("/applications/{application}/archive",)},
    "placement_new": {"": ("/applications/{bare_application}/add",)},
    "repository": {"": ("/applications/{application}/repository",)},
    "repository_edit": {"": ("/applications/{application}/repository/edit",)},
    "placement": {"": (f"{_PLACE}/", "/applications/{other_application}/production/"), "fleet": (f"{_FLEET}/",)},
    "placement_settings": {"": (f"{_PLACE}/settings",), "fleet": (f"{_FLEET}/settings",)},
    "drift": {"": (f"{_PLACE}/servers/{{seat}}/",)},
    "placement_tags": {"": (f"{_PLACE}/tags",)},
    "release": {"newest": (f"{_PLACE}/releases/{{newest_release}}/",), "first": (f"{_PLACE}/releases/1/",)},
    "run_new": {"": (f"{_PLACE}/releases/{{newest_release}}/run",)},
    "runs": {"": (f"{_PLACE}/runs/",)},
    "variables": {"": (f"{_PLACE}/variables",)},
    "variables_import": {"": (f"{_PLACE}/variables/import",)},
    "webhooks": {"": (f"{_PLACE}/hooks",)},
    "webhook_new": {"": (f"{_PLACE}/hooks/new",)},
    "webhook": {"": (f"{_PLACE}/hooks/{{webhook}}/",)},
    "plan": {"": ("/plans/{plan}/",), "fleet": ("/plans/{fleet_plan}/",)},
    "deployments": {
        "first page": ("/deployments/",),
        "list": ("/deployments/?fragment=list",),
        "middle page": ("/deployments/?before={middle}",),
        "last page": ("/deployments/?before=51", "/deployments/?after=1"),
        "application": ("/deployments/?application={application}", "/deployments/?application={other_application}"),
        "application and environment": ("/deployments/?application={other_application}&environment=production",),
        "environment": ("/deployments/?environment=production",),
        "fleet": ("/deployments/?application={fleet_application}&environment={fleet_environment}",),
        "server": ("/deployments/?server={seat}", "/deployments/?server={quiet_server}"),
        "person": ("/deployments/?person=bruno",),
        "person who deployed nothing": ("/deployments/?person=nobody+of+that+name",),
        "state": ("/deployments/?state=failed", "/deployments/?state=needs_attention"),
        "a day": ("/deployments/?since={day}T00:00&until={day}T23:59",),
        "state and server": ("/deployments/?state=failed&server={seat}",),
        "all together": ("/deployments/?application={application}&environment=production&state=failed&person=bruno",),
        "nothing found": ("/deployments/?application=app-001&server=web-999", "/deployments/?application=no-such"),
    },
    "deployment": {
        "": ("/deployments/{deployment}/", "/deployments/{old_deployment}/"),
        "running": (
            "/deployments/{running}/",
            "/deployments/{running}/?fragment=head",
            "/deployments/{running}/?fragment=steps",
        ),
        "200,000 lines": ("/deployments/{long}/",),
        "fleet": ("/deployments/{fleet_deployment}/",),
    },
    "deployment_attention": {"": ("/deployments/{in_doubt}/attention",)},
    "deployment_lines": {
        "first": ("/deployments/{long}/lines?target={long_target}&limit=1000",),
        "middle": ("/deployments/{long}/lines?target={long_target}&limit=1000&after=100000",),
        "last": ("/deployments/{long}/lines?target={long_target}&limit=1000&after=199000",),
        "short log": ("/deployments/{deployment}/lines?target={deployment_target}",),
        "search, found soon": ("/deployments/{long}/lines?q=request+1",),
        "search, nothing found": ("/deployments/{long}/lines?q=nobody+says+this",),
        "one step": ("/deployments/{long}/lines?target={long_target}&step=cleanup",),
    },
    "run": {"": ("/runs/{run}/",)},
    "run_lines": {"first": ("/runs/{run}/lines?limit=1000",), "last": ("/runs/{run}/lines?after=19000&limit=1000",)},
    "terminal": {"": ("/terminals/{terminal}/",)},
    "terminal_pieces": {"": ("/terminals/{terminal}/pieces?after=4000",)},
    "hosts": {"": ("/servers/",), "list": ("/servers/?fragment=list",), "retired": ("/servers/?retired",)},
    "host_new": {"": ("/servers/new",)},
    "host_import": {"": ("/servers/import",)},
    "host_confirm": {"": ("/servers/confirm",)},
    "host_beside": {"": ("/servers/beside/{engine}",)},
    "host": {"": ("/servers/{seat}/", "/servers/{seat}/?fragment=detail")},
    "host_edit": {"": ("/servers/{seat}/edit",)},
    "host_retire": {"": ("/servers/{seat}/retire",)},
    "host_at": {
        "": ("/servers/{seat}/at",),
        "a moment": ("/servers/{seat}/at?at={day}T12:00:00", "/servers/{seat}/at?at={old_day}T12:00:00"),
    },
    "host_health": {"": ("/servers/{seat}/health",)},
    "host_drain": {"": ("/servers/{seat}/drain",)},
    "room": {"": ("/servers/{seat}/room/",)},
    "room_images": {"": ("/servers/{seat}/room/images",)},
    "container": {"": ("/servers/{seat}/room/{container}/",)},
    "container_act": {"": ("/servers/{seat}/room/{container}/restart",)},
    "terminal_new": {"": ("/servers/{seat}/room/{container}/terminal",)},
    "registries": {"": ("/registries/",)},
    "registry_new": {"": ("/registries/new",)},
    "registry": {"": ("/registries/{registry}/",)},
    "registry_edit": {"": ("/registries/{registry}/edit",)},
    "environments": {"": ("/environments/",)},
    "environment_new": {"": ("/environments/new",)},
    "environment_edit": {"": ("/environments/{environment}/edit",)},
    "variable_sets": {"": ("/environments/{environment}/sets/",)},
    "variable_set": {"": ("/environments/{environment}/sets/set-1/",)},
    "variable_set_import": {"": ("/environments/{environment}/sets/set-1/import",)},
    "people": {"": ("/people/",)},
    "person_invite": {"": ("/people/invite",)},
    "person": {"": ("/people/{member}/",)},
    "audit": {
        "first page": ("/audit/",),
        "middle page": ("/audit/?before={middle}",),
        "last page": ("/audit/?before=51", "/audit/?after=1"),
        "person": ("/audit/?person={member}", "/audit/?person=estiva", "/audit/?person=strangers"),
        "action": ("/audit/?action=deployment.request", "/audit/?action=deployment"),
        "kind": ("/audit/?object_kind=deployment", "/audit/?object_kind=host"),
        "object": ("/audit/?object_name=%23{deployment}", "/audit/?object_name=%23{old_deployment}"),
        "object by its name": ("/audit/?object_name=storefront", "/audit/?object_kind=host&object_name=web"),
        "outcome": ("/audit/?outcome=failed", "/audit/?outcome=denied"),
        "a day": ("/audit/?since={day}T00:00&until={day}T23:59",),
        "all together": ("/audit/?person={member}&action=deployment.request&outcome=denied&since={old_day}T00:00",),
    },
    "account_change_password": {"": ("/account/password",)},
    "account_preferences": {"": ("/account/preferences",)},
    "tokens": {"": ("/account/tokens/",)},
    "token_new": {"": ("/account/tokens/new",)},
    "readyz": {"": ("/readyz",)},
    "metrics": {"": ("/metrics",)},
    "api_openapi": {"": ("/api/v1/openapi.json",)},
    "api_me": {"": ("/api/v1/me",)},
    "api_applications": {"": ("/api/v1/applications", "/api/v1/applications?limit=200")},
    "api_application": {"": ("/api/v1/applications/{application}",)},
    "api_environments": {"": ("/api/v1/environments",)},
    "api_environment": {"": ("/api/v1/environments/{environment}",)},
    "api_servers": {"": ("/api/v1/servers",), "most": ("/api/v1/servers?limit=200",)},
    "api_server": {"": ("/api/v1/servers/{seat}",)},
    "api_placements": {"": ("/api/v1/placements",), "most": ("/api/v1/placements?limit=200",)},
    "api_placement": {"": (_API_PLACE,)},
    "api_variables": {"": (f"{_API_PLACE}/variables",)},
    "api_releases": {"": (f"{_API_PLACE}/releases",), "most": (f"{_API_PLACE}/releases?limit=200",)},
    "api_release": {"": (f"{_API_PLACE}/releases/{{newest_release}}", f"{_API_PLACE}/releases/1")},
    "api_plan": {"": ("/api/v1/plans/{plan}",)},
    "api_deployments": {
        "first page": ("/api/v1/deployments",),
        "middle page": ("/api/v1/deployments?cursor={middle_cursor}",),
        "last page": ("/api/v1/deployments?cursor={last_cursor}",),
        "most": ("/api/v1/deployments?limit=200",),
        "filtered": (
            "/api/v1/deployments?application={application}&environment=production",
            "/api/v1/deployments?status=failed",
        ),
    },
    "api_deployment": {"": ("/api/v1/deployments/{deployment}",), "fleet": ("/api/v1/deployments/{fleet_deployment}",)},
    "api_deployment_attention": {"": ("/api/v1/deployments/{in_doubt}/attention",)},
    "api_deployment_log": {"": ("/api/v1/deployments/{long}/log?limit=1000",)},
}
"""Route → what is looked at → addresses."""

_HALF = "it looks through the log for half a second at most, then answers with the place to go on from"
BOUNDED: Final[dict[str, str]] = dict.fromkeys(
    ("deployment_lines: search, nothing found", "deployment_lines: one step"), _HALF
)
"""What is not held to the aim of pages, and why: route and what is looked at."""

_STREAM = (
    "a download without end to its size: what matters there is the rate, which is measured of a log of 200,000 lines"
)
NOT_MEASURED: Final[dict[str, str]] = {
    **dict.fromkeys(("audit_csv", "audit_ndjson", "deployment_raw", "run_raw", "terminal_raw", "follow_raw"), _STREAM),
    "variables_export": "a download, which is an entry of the audit trail each time",
    "variable_set_export": "a download, which is an entry of the audit trail each time",
    "repository_trust": "it leads to the repository's page unless somebody sends a key",
    "host_trust": "it leads to the server's page unless somebody sends a key",
    "account_login": "for those who are not signed in: no page of the data",
    "account_logout": "it leads to the first page",
    "account_inactive": "the same words for everybody",
    "account_link": "its link works once",
    "follow_lines": "its lines lie in the broker, and none in the database",
    "api_nothing": "it says that there is nothing",
}
"""Route → why."""

ACTS: Final = frozenset(
    {
        *(
            "repository_look",
            "repository_remove",
            "placement_catch_up",
            "run_cancel",
            "variable_delete",
            "variables_sets",
        ),
        *("webhook_rotate", "webhook_switch", "webhook_delete", "webhook_again", "plan_new", "plan_deploy", "hook"),
        *(
            "deployment_cancel",
            "deployment_go_on",
            "host_refuse",
            "host_check",
            "host_rotate",
            "host_socket",
            "host_unknown",
        ),
        *("room_look", "container_follow", "terminal_keys", "terminal_end", "registry_test", "registry_remove"),
        *("variable_set_rename", "variable_set_delete", "shared_variable_delete", "link_revoke", "person_deactivate"),
        *("person_reactivate", "person_link", "person_token_revoke", "token_revoke"),
    }
)
"""Routes that only take POST."""
