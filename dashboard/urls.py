"""Every route, grouped by noun. Names in paths (applications, environments, servers) are the objects' own names."""

from allauth.account import views as allauth
from django.urls import path

from dashboard.api.routes import patterns as api_patterns
from dashboard.views import (
    accounts,
    applications,
    audit,
    containers,
    deployments,
    draining,
    environments,
    follows,
    health,
    hooks,
    host_health,
    host_lists,
    hosts,
    overview,
    people,
    placements,
    plans,
    registries,
    repositories,
    room,
    runs,
    shared_variables,
    variables,
    webhooks,
)
from deployments.webhooks.start import start_deploy

handler400 = "dashboard.views.errors.bad_request"
handler403 = "dashboard.views.errors.forbidden"
handler429 = "dashboard.views.errors.too_many"  # allauth's rate limits ask for it
handler404 = "dashboard.views.errors.not_found"
handler500 = "dashboard.views.errors.server_error"

_PLACEMENT = "applications/<slug:application>/<slug:environment>"
_SET = "environments/<slug:environment>/sets/<slug:name>"

urlpatterns = [
    path("", overview.index, name="overview"),
    # applications and their placements
    path("applications/", applications.index, name="applications"),
    path("applications/new", applications.new, name="application_new"),
    path("applications/paste", applications.paste, name="application_paste"),
    path("applications/repository", repositories.new, name="application_new_git"),
    path("applications/<slug:application>/", applications.detail, name="application"),
    path("applications/<slug:application>/edit", applications.edit, name="application_edit"),
    path("applications/<slug:application>/archive", applications.archive, name="application_archive"),
    path("applications/<slug:application>/add", placements.new, name="placement_new"),
    path("applications/<slug:application>/repository", repositories.detail, name="repository"),
    path("applications/<slug:application>/repository/edit", repositories.edit, name="repository_edit"),
    path("applications/<slug:application>/repository/trust", repositories.trust, name="repository_trust"),
    path("applications/<slug:application>/repository/look", repositories.look, name="repository_look"),
    path("applications/<slug:application>/repository/remove", repositories.remove, name="repository_remove"),
    path(f"{_PLACEMENT}/", placements.detail, name="placement"),
    path(f"{_PLACEMENT}/settings", placements.settings, name="placement_settings"),
    path(f"{_PLACEMENT}/catch-up", placements.catch_up, name="placement_catch_up"),
    path(f"{_PLACEMENT}/tags", registries.tags, name="placement_tags"),
    path(f"{_PLACEMENT}/releases/<int:number>/", placements.release, name="release"),
    path(f"{_PLACEMENT}/releases/<int:number>/run", runs.new, name="run_new"),
    path(f"{_PLACEMENT}/runs/", runs.index, name="runs"),
    path(f"{_PLACEMENT}/variables", variables.index, name="variables"),
    path(f"{_PLACEMENT}/variables/import", variables.import_text, name="variables_import"),
    path(f"{_PLACEMENT}/variables/export", variables.export_text, name="variables_export"),
    path(f"{_PLACEMENT}/variables/delete", variables.delete, name="variable_delete"),
    path(f"{_PLACEMENT}/variables/sets", shared_variables.use, name="variables_sets"),
    path(f"{_PLACEMENT}/hooks", webhooks.index, name="webhooks"),
    path(f"{_PLACEMENT}/hooks/new", webhooks.new, name="webhook_new"),
    path(f"{_PLACEMENT}/hooks/<int:webhook>/", webhooks.detail, name="webhook"),
    path(f"{_PLACEMENT}/hooks/<int:webhook>/secret", webhooks.rotate, name="webhook_rotate"),
    path(f"{_PLACEMENT}/hooks/<int:webhook>/switch", webhooks.switch, name="webhook_switch"),
    path(f"{_PLACEMENT}/hooks/<int:webhook>/delete", webhooks.delete, name="webhook_delete"),
    path(f"{_PLACEMENT}/hooks/<int:webhook>/again/<int:delivery>", webhooks.again, name="webhook_again"),
    path(f"{_PLACEMENT}/plan", plans.new, name="plan_new"),
    # plans
    path("plans/<int:plan>/", plans.detail, name="plan"),
    path("plans/<int:plan>/deploy", plans.deploy, name="plan_deploy"),
    # deployments
    path("deployments/", deployments.index, name="deployments"),
    path("deployments/<int:deployment>/", deployments.detail, name="deployment"),
    path("deployments/<int:deployment>/lines", deployments.lines, name="deployment_lines"),
    path("deployments/<int:deployment>/raw", deployments.raw, name="deployment_raw"),
    path("deployments/<int:deployment>/cancel", deployments.cancel, name="deployment_cancel"),
    path("deployments/<int:deployment>/go-on", deployments.go_on, name="deployment_go_on"),
    # one-off runs
    path("runs/<int:run>/", runs.detail, name="run"),
    path("runs/<int:run>/lines", runs.lines, name="run_lines"),
    path("runs/<int:run>/raw", runs.raw, name="run_raw"),
    path("runs/<int:run>/cancel", runs.cancel, name="run_cancel"),
    # servers
    path("servers/", hosts.index, name="hosts"),
    path("servers/new", hosts.new, name="host_new"),
    path("servers/import", host_lists.import_servers, name="host_import"),
    path("servers/confirm", host_lists.confirm, name="host_confirm"),
    path("servers/<str:host>/", hosts.detail, name="host"),
    path("servers/<str:host>/edit", hosts.edit, name="host_edit"),
    path("servers/<str:host>/trust", hosts.trust, name="host_trust"),
    path("servers/<str:host>/refuse", hosts.refuse, name="host_refuse"),
    path("servers/<str:host>/check", hosts.check, name="host_check"),
    path("servers/<str:host>/rotate", hosts.rotate, name="host_rotate"),
    path("servers/<str:host>/socket", hosts.socket, name="host_socket"),
    path("servers/<str:host>/retire", hosts.retire, name="host_retire"),
    path("servers/<str:host>/at", hosts.at, name="host_at"),
    path("servers/<str:host>/health", host_health.detail, name="host_health"),
    path("servers/<str:host>/drain", draining.drain, name="host_drain"),
    path("servers/<str:host>/room/", room.index, name="room"),
    path("servers/<str:host>/room/look", room.look, name="room_look"),
    path("servers/<str:host>/room/images", room.images, name="room_images"),
    path("servers/<str:host>/room/<slug:container>/", containers.detail, name="container"),
    path("servers/<str:host>/room/<slug:container>/follow", follows.begin, name="container_follow"),
    path("servers/<str:host>/room/<slug:container>/<slug:act>", containers.act, name="container_act"),
    path("follows/<int:follow>/lines", follows.lines, name="follow_lines"),
    path("follows/<int:follow>/raw", follows.raw, name="follow_raw"),
    # registries
    path("registries/", registries.index, name="registries"),
    path("registries/new", registries.new, name="registry_new"),
    path("registries/<int:registry>/", registries.detail, name="registry"),
    path("registries/<int:registry>/edit", registries.edit, name="registry_edit"),
    path("registries/<int:registry>/test", registries.test, name="registry_test"),
    path("registries/<int:registry>/remove", registries.remove, name="registry_remove"),
    # environments
    path("environments/", environments.index, name="environments"),
    path("environments/new", environments.new, name="environment_new"),
    path("environments/<slug:environment>/edit", environments.edit, name="environment_edit"),
    path("environments/<slug:environment>/sets/", shared_variables.index, name="variable_sets"),
    path(f"{_SET}/", shared_variables.detail, name="variable_set"),
    path(f"{_SET}/import", shared_variables.import_text, name="variable_set_import"),
    path(f"{_SET}/export", shared_variables.export_text, name="variable_set_export"),
    path(f"{_SET}/delete", shared_variables.delete, name="variable_set_delete"),
    path(f"{_SET}/variables/delete", shared_variables.delete_variable, name="shared_variable_delete"),
    # people
    path("people/", people.index, name="people"),
    path("people/invite", people.invite, name="person_invite"),
    path("people/links/<int:link>/revoke", people.revoke_link, name="link_revoke"),
    path("people/<int:person>/", people.detail, name="person"),
    path("people/<int:person>/deactivate", people.deactivate, name="person_deactivate"),
    path("people/<int:person>/reactivate", people.reactivate, name="person_reactivate"),
    path("people/<int:person>/link", people.sign_in_link, name="person_link"),
    # the audit trail
    path("audit/", audit.index, name="audit"),
    path("audit/export.csv", audit.export_csv, name="audit_csv"),
    path("audit/export.ndjson", audit.export_ndjson, name="audit_ndjson"),
    # one's own account; signing up is by invitation only, so the rest of allauth's pages has no route
    path("account/login", allauth.login, name="account_login"),
    path("account/logout", allauth.logout, name="account_logout"),
    path("account/inactive", allauth.account_inactive, name="account_inactive"),
    path("account/password", accounts.change_password, name="account_change_password"),
    path("account/preferences", accounts.preferences, name="account_preferences"),
    path("account/link/<str:token>", accounts.link, name="account_link"),
    # machines
    path("hooks/<str:public_id>", hooks.receiver(start_deploy), name="hook"),
    path("readyz", health.ready, name="readyz"),
    path("metrics", health.metrics, name="metrics"),
    *api_patterns(),
]
