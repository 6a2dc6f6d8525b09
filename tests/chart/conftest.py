"""Each test that takes a `scenario` runs for every file in helm/ci."""

import chart


def pytest_generate_tests(metafunc):
    if "scenario" in metafunc.fixturenames:
        assert len(chart.SCENARIOS) > 8, "where are the scenarios?"
        metafunc.parametrize("scenario", chart.SCENARIOS)
