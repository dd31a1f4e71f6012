"""Deploys of Compose applications: several services, one file, brought up with Compose v2 on the server.

**What is where.** `prepare` makes one text without references of what people wrote (variables put in, files of the
repository read), Compose itself on the server turns that into the resolved `model`, `bring_up` hands the resolved model
to `docker compose up`, always on standard input. Images are pulled through the engine's own API before, pinned.
`references` says which files beside them the documents need, `builds` which images are to be built first, and `building` builds them.

**The fence.** The names of Compose's containers can't bear it, so three things together do:

1. *One run at a time.* Every `up` runs below `flock` on a file of its project in the login user's home; the lock dies
   with its processes. `timeout` bounds it.
2. *A run needs its fence.* A Docker volume without content, `estiva-INSTALLATION-PROJECT.f7`, exists for the highest
   fence alone. Every model names it as an external volume of a service with no containers. Compose looks for it before
   it changes a container; a new holder removes it, so what a stale worker starts later changes no container.
3. *Earlier runs end.* After that a new holder ends the runs of lower fences, by the folder on their command line
   that bears project and fence, and waits until the lock is free.

Holds: a run that a stale worker starts, or that waits for the lock, after somebody newer took over, changes no container.
A run that was going on then is ended before the newer one begins. A lost lease stops a worker at its next call.
Doesn't hold: the one call to the engine that an ended run had under way may still be carried out by the engine; the
newer run then sees its effect as its own trouble, and says so. Compose makes networks before it looks for the volume, so
a stale run may make an empty network. Two different login users on one server don't share a lock. Where `pkill` is
missing, an earlier run isn't ended: the newer deploy fails and says so, until `timeout` has ended the run. If somebody
removes our volume between two attempts, a stale worker that still has to make its own is not refused by it (and then
ends runs of fences lower than its own alone).
"""
