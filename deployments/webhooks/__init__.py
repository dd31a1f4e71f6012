"""Deploys on push: what a Git service, a registry or anything else sends when something new was pushed.

`reading` turns a request into Pushes (one module a kind knows its headers and JSON), `rules` says whether a Push deploys,
`receive` keeps the record and asks for the deploy, `statuses` builds what goes back to the Git service.
"""
