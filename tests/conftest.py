"""Settings of all tests."""

from exitwave.cli.settings import isolate_user_settings

# Before any test module imports Keras.
isolate_user_settings()
