"""Settings of all tests."""

from exitwave.cli.settings import isolate_user_settings

# Before any test module imports Keras.
isolate_user_settings()

# With two workers that take file by file, the longest have to come first: both then have work to
# the end. On the command line they would not, since pytest 9 joins arguments that overlap.
LONGEST = (
    "tests/pipeline/test_demo.py",
    "tests/pipeline/test_your_microscope.py",
    "tests/slurm/",
    "tests/pipeline/",
    "tests/stages/test_train_devices.py",
)


def pytest_collection_modifyitems(items):
    def turn(item):
        return next(
            (place for place, name in enumerate(LONGEST) if item.nodeid.startswith(name)),
            len(LONGEST),
        )

    items.sort(key=turn)
