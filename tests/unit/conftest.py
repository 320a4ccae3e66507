"""Settings of the tests that draw their cases."""

from hypothesis import settings

# Whether an example is slow depends on what else the machine does.
settings.register_profile("shared", deadline=None)
settings.load_profile("shared")
