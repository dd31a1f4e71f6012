"""Repositories: mirrors of them on the worker, what a build is made from, and what an unknown project looks like.

`worker.sources.git` is the door. Here and nowhere else the `git` program runs: by a list of words, in an environment
made from scratch, in a process group of its own. No model, no queue, no Docker.
"""
