"""Settings of all tests."""

from exitwave.cli import keep_out_of_the_home_folder

# Before any test module imports Keras.
keep_out_of_the_home_folder()
