"""Tests of the connections; what several modules share is rewritten by pytest too, so that its assertions explain themselves."""

import pytest

pytest.register_assert_rewrite("tests.worker.connections.contract")
