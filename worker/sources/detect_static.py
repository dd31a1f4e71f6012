"""Plain pages: an index.html that any web server can serve."""

from worker.sources.project import Detected, Project

_FOLDERS = ("public", "site", "dist", "html", "www", "docs")
PORT = 8080


def recognise(project: Project) -> Detected | None:
    """A folder of pages, or None."""
    folders = ["", *(folder for folder in _FOLDERS if folder in project.folders)]
    for folder in folders:
        names = project.within(folder) if folder else project.names
        if "index.html" in names:
            return Detected(
                kind="static",
                framework="",
                version="",
                port=PORT,
                command=(),
                build=folder or ".",
                reasons=(f"There is {folder + '/' if folder else ''}index.html, and nothing that would run.",),
                doubts=()
                if folder
                else ("Everything in the repository is served; name in .dockerignore what is not.",),
            )
    return None
